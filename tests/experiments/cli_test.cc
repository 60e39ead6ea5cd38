// The command line: what it prints, where, and the code it ends with.
#include "experiments/cli.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace palinode::experiments {
namespace {

struct Ended {
  int code;
  std::string out, err;
};

Ended run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "palinode");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  std::fflush(stdout);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

std::string temporary(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void expect_one_line(const Ended& ended, int code, const std::string& part) {
  EXPECT_EQ(ended.code, code);
  EXPECT_EQ(ended.out, "");
  EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << ended.err;
  EXPECT_TRUE(ended.err.starts_with("palinode: ")) << ended.err;
}

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
  expect_one_line(run({"reproduce", "--seeds", "many"}), 2, "--seeds");
}

TEST(CommandLine, NamesAMissingDataFile) {
  expect_one_line(run({"study", "run", "E1", "--quiet", "--data", "/nonexistent.csv", "--out",
                       testing::TempDir().c_str()}),
                  3, "/nonexistent.csv: cannot be read");
}

TEST(CommandLine, NamesADataFileThatIsAFolder) {
  expect_one_line(
      run({"study", "run", "E1", "--quiet", "--data", "/tmp", "--out", testing::TempDir().c_str()}),
      3, "/tmp: cannot be read");
}

TEST(CommandLine, RefusesANegativeSeed) {
  expect_one_line(run({"study", "run", "E1", "--seed", "-1"}), 2, "--seed");
}

TEST(CommandLine, PublishesDigestsOfTheDefaultRunOnly) {
  expect_one_line(run({"reproduce", "--seeds", "1", "--write-digests", "/nonexistent/d.json"}), 2,
                  "--write-digests needs the default seeds and data");
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
  for (const char* id : {"E0", "E1", "E3", "E4", "E5"}) {
    EXPECT_NE(ended.out.find(id), std::string::npos);
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
      run({"study", "run", "unload", "--seeds", "1", "--quiet", "--out", out.c_str()});
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

}  // namespace
}  // namespace palinode::experiments
