// The command line: what it prints, where, and the code it ends with.
#include "experiments/cli.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "experiments/studies/study.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

TEST(CommandLine, RefusesAnUnknownFlag) {
  expect_one_line(run({"reproduce", "--fast"}), 2, "--fast");
}

TEST(CommandLine, RefusesAnUnknownStudyAndListsThem) {
  expect_one_line(run({"study", "run", "E99"}), 2, "unknown study \"E99\"; there are E0 (null)");
}

TEST(CommandLine, RefusesAMissingCommand) { expect_one_line(run({}), 2, "subcommand"); }

TEST(CommandLine, RefusesAValueOutOfRange) {
  expect_one_line(run({"reproduce", "--threads", "0"}), 2, "--threads");
  expect_one_line(run({"reproduce", "--simd", "mmx"}), 2, "--simd");
  expect_one_line(run({"reproduce", "--gemm", "eigen"}), 2, "--gemm");
  expect_one_line(run({"reproduce", "--seeds", "many"}), 2, "--seeds");
}

TEST(CommandLine, NamesAMissingDataFile) {
  expect_one_line(run({"study", "run", "E1", "--quiet", "--data", "/nonexistent.csv", "--out",
                       testing::TempDir().c_str()}),
                  3, "cannot read /nonexistent.csv: No such file or directory");
}

TEST(CommandLine, NamesADataFileThatIsAFolder) {
  expect_one_line(
      run({"study", "run", "E1", "--quiet", "--data", "/tmp", "--out", testing::TempDir().c_str()}),
      3, "cannot read /tmp: Is a directory");
}

TEST(CommandLine, RefusesANegativeSeed) {
  expect_one_line(run({"study", "run", "E1", "--seed", "-1"}), 2, "--seed");
}

TEST(CommandLine, PublishesDigestsOfTheDefaultRunOnly) {
  expect_one_line(run({"reproduce", "--seeds", "1", "--write-digests", "/nonexistent/d.json"}), 2,
                  "--write-digests needs the default seeds, settings and data");
}

TEST(CommandLine, NamesTheLineOfATruncatedDataFile) {
  const std::string path = temporary("cut.csv", "0,0,5,13,9");
  expect_one_line(run({"study", "run", "E1", "--quiet", "--data", path.c_str(), "--out",
                       testing::TempDir().c_str()}),
                  3, "cut.csv line 1: the last line does not end");
}

TEST(CommandLine, NamesTheLineOfAWrongShape) {
  std::string text;
  for (int i = 0; i < 1200; ++i) text += "1,2,3\n";
  const std::string path = temporary("narrow.csv", text);
  expect_one_line(run({"study", "run", "E1", "--quiet", "--data", path.c_str(), "--out",
                       testing::TempDir().c_str()}),
                  3, "narrow.csv line 1: expected 65 fields, got 3");
}

TEST(CommandLine, NamesAFolderItCannotWrite) {
  expect_one_line(run({"study", "run", "E1", "--quiet", "--out", "/proc/palinode"}), 4,
                  "/proc/palinode");
}

TEST(CommandLine, RefusesAForeignLedger) {
  const std::string path = temporary("foreign.jsonl", "{}\n");
  expect_one_line(run({"ledger", "verify", path.c_str()}), 3, "foreign.jsonl");
}

TEST(CommandLine, ListsTheStudiesWithTheirRules) {
  const Ended ended = run({"study", "list"});
  EXPECT_EQ(ended.code, 0);
  for (const Study& study : studies()) {
    for (const std::string_view text : {study.id, study.name, study.question, study.rule}) {
      EXPECT_NE(ended.out.find(text), std::string::npos) << study.id << ": " << text;
    }
  }
}

TEST(CommandLine, HelpHasExamples) {
  const Ended ended = run({"--help"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.out.find("palinode reproduce --quick"), std::string::npos);
}

TEST(CommandLine, RunsAStudyAndVerifiesItsLedger) {
  const std::string out = testing::TempDir() + "/palinode-cli";
  const Ended ended =
      run({"study", "run", "unload", "--seeds", "1", "--set", "models=[\"digits-mlp\"]", "--set",
           "kind_steps=3", "--quiet", "--out", out.c_str()});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.out.find("exact: every bit is back"), std::string::npos);
  EXPECT_EQ(ended.err, "");
  const std::string path = out + "/ledger.jsonl";
  EXPECT_EQ(run({"ledger", "verify", path.c_str()}).code, 0);

  // The head that the table gives convicts a ledger that lost its last record.
  const std::size_t at = ended.out.find("records, head ");
  ASSERT_NE(at, std::string::npos);
  const std::string head = ended.out.substr(at + 14, 64);
  EXPECT_EQ(run({"ledger", "verify", path.c_str(), "--head", head.c_str()}).code, 0);
  const std::string whole = read(path);
  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.rfind('\n', whole.size() - 2) + 1);
  EXPECT_EQ(run({"ledger", "verify", path.c_str()}).code, 0);
  const Ended cut = run({"ledger", "verify", path.c_str(), "--head", head.c_str()});
  EXPECT_EQ(cut.code, 1);
  EXPECT_NE(cut.out.find("records are missing"), std::string::npos) << cut.out;

  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5000);
  file.put('~');
  file.close();
  const Ended broken = run({"ledger", "verify", path.c_str()});
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.out.find("broken after"), std::string::npos);
  std::filesystem::remove_all(out);
}

// Whether the command ended for want of OpenBLAS.
bool no_openblas(const Ended& ended) {
  return ended.code == 4 && ended.err.find("libopenblas0") != std::string::npos;
}

TEST(CommandLine, VersionNamesTheMatrixProduct) {
  const Ended ours = run({"version", "--verbose"});
  EXPECT_EQ(ours.code, 0);
  EXPECT_NE(ours.out.find("backend            canonical\n"), std::string::npos) << ours.out;
  EXPECT_NE(ours.out.find("same_bits_contract true\n"), std::string::npos) << ours.out;
  EXPECT_EQ(ours.out.find("openblas"), std::string::npos) << ours.out;

  const Ended theirs = run({"version", "--verbose", "--gemm", "openblas"});
  if (no_openblas(theirs)) GTEST_SKIP() << theirs.err;
  EXPECT_EQ(theirs.code, 0);
  EXPECT_NE(theirs.out.find("backend            openblas\n"), std::string::npos) << theirs.out;
  EXPECT_NE(theirs.out.find("same_bits_contract false\n"), std::string::npos) << theirs.out;
  EXPECT_NE(theirs.out.find("openblas_core "), std::string::npos) << theirs.out;
}

TEST(CommandLine, EveryResultOfOpenBlasSaysThatItIsOutsideTheContract) {
  const std::string out = testing::TempDir() + "/palinode-openblas";
  const Ended ended =
      run({"study", "run", "unload", "--seeds", "1", "--set", "models=[\"digits-mlp\"]", "--set",
           "kind_steps=3", "--quiet", "--gemm", "openblas", "--out", out.c_str()});
  if (no_openblas(ended)) GTEST_SKIP() << ended.err;
  EXPECT_EQ(ended.code, 0) << ended.err;
  const std::size_t last = ended.out.find("digests not compared: OpenBLAS (core ");
  ASSERT_NE(last, std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("): outside the same-bits contract\n", last), std::string::npos);
  EXPECT_EQ(ended.out.find("match"), std::string::npos) << ended.out;

  const std::string json = read(out + "/results.json");
  for (const char* part : {"\"backend\": \"openblas\"", "\"same_bits_contract\": false",
                           "\"openblas_core\": ", "\"openblas_config\": \"OpenBLAS ",
                           "outside the same-bits contract"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(json.find("\"match\": true"), std::string::npos);
  EXPECT_EQ(json.find("\"match\": false"), std::string::npos);
  EXPECT_NE(read(out + "/report.html").find("<h1 id=\"verdict-title\">OpenBLAS (core "),
            std::string::npos);
  EXPECT_NE(read(out + "/results.csv").find(",openblas,"), std::string::npos);
  EXPECT_NE(read(out + "/certificate.json").find("\"backend\": \"openblas\""), std::string::npos);
  std::filesystem::remove_all(out);
}

TEST(CommandLine, NeverPublishesDigestsOfOpenBlas) {
  const Ended ended =
      run({"reproduce", "--gemm", "openblas", "--write-digests", "/nonexistent/d.json"});
  if (no_openblas(ended)) GTEST_SKIP() << ended.err;
  expect_one_line(ended, 2, "--gemm canonical");
}

}  // namespace
}  // namespace palinode::experiments
