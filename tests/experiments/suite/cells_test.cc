// The file of finished cells: what is taken from it, and what is not.
#include "experiments/suite/cells.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "experiments/results/groups.h"
#include "experiments/suite/suite.h"
#include "tensor/error.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

namespace fs = std::filesystem;

FinishedCell cell(double value) {
  FinishedCell finished;
  Row row;
  row.study = "E4";
  row.kl_adapt = value;
  finished.outcome.rows.push_back(row);
  Point point;
  point.study = "E4";
  point.value = -value;
  finished.outcome.points.push_back(point);
  finished.seconds = 0.5;
  return finished;
}

std::string digest(const Outcome& outcome) { return study_digest(outcome.rows, outcome.points); }

// A file of its own with nothing in it yet.
std::string fresh_path(const std::string& name) {
  const std::string path = testing::TempDir() + "/" + name + ".jsonl";
  fs::remove(path);
  return path;
}

TEST(CellFile, HasWhatAnEarlierRunFinished) {
  const std::string path = fresh_path("finished");
  {
    CellFile file(path, "settings");
    EXPECT_TRUE(file.found().empty());
    file.append("E4/m/1", cell(0.25));
    file.append("E4/m/2", cell(0.5));
  }
  CellFile again(path, "settings");
  ASSERT_EQ(again.found().size(), 2U);
  EXPECT_EQ(digest(again.found().at("E4/m/1").outcome), digest(cell(0.25).outcome));
  EXPECT_EQ(digest(again.found().at("E4/m/2").outcome), digest(cell(0.5).outcome));
  EXPECT_EQ(again.found().at("E4/m/1").seconds, 0.5);
  again.remove();
  EXPECT_FALSE(fs::exists(path));
}

TEST(CellFile, AdoptsWhatAnotherProcessFinishedAndRemovesItsFile) {
  const std::string path = fresh_path("own"), other = fresh_path("other");
  CellFile(path, "settings").append("E4/m/1", cell(0.25));
  CellFile(other, "settings").append("E4/m/2", cell(0.5));
  CellFile file(path, "settings");
  file.adopt(other);
  ASSERT_EQ(file.found().size(), 2U);
  EXPECT_EQ(digest(file.found().at("E4/m/2").outcome), digest(cell(0.5).outcome));
  EXPECT_EQ(std::ranges::count(read(other), '\n'), 1);
  file.remove();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(other));
}

TEST(CellFile, TakesNothingOfOtherSettings) {
  const std::string path = fresh_path("settings");
  CellFile(path, "settings").append("E4/m/1", cell(0.25));
  EXPECT_TRUE(CellFile(path, "other settings").found().empty());
  EXPECT_EQ(CellFile(path, "settings").found().size(), 1U);
}

TEST(CellFile, TakesNothingOfAnotherProgram) {
  const std::string path = fresh_path("program");
  CellFile(path, "settings").append("E4/m/1", cell(0.25));
  std::string text = read(path);
  const std::size_t at = text.find("\"program\":\"") + 11;
  text[at] = text[at] == '0' ? '1' : '0';
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_TRUE(CellFile(path, "settings").found().empty());
}

// Whichever byte it is: another one is never taken, and never an error either.
TEST(CellFile, TakesNothingThatWasAltered) {
  const CellFile file(fresh_path("altered"), "settings");
  const std::string line = file.line("E4/m/1", cell(0.25));
  ASSERT_EQ(file.read(line).size(), 1U);
  for (std::size_t i = 0; i < line.size(); ++i) {
    for (const int bit : {1, 2, 16, 128}) {
      std::string altered = line;
      altered[i] = static_cast<char>(altered[i] ^ bit);
      EXPECT_TRUE(file.read(altered).empty()) << altered.substr(i < 20 ? 0 : i - 20, 40);
    }
  }
}

TEST(CellFile, PassesOverLinesThatAreNoCells) {
  const CellFile file(fresh_path("others"), "settings");
  const std::string line = file.line("E4/m/1", cell(0.25));
  for (const char* other : {"\n", "{}\n", "[]\n", "17\n", "{\"program\": 3, \"outcome\": {}}\n",
                            "{\"key\":[],\"outcome\":0,\"seconds\":\"x\"}\n", "\xff\xfe\n"}) {
    EXPECT_EQ(file.read(other + line + other).size(), 1U) << other;
  }
}

// A process killed while it writes leaves a line without an end.
TEST(CellFile, GoesOnAfterALineThatWasCutAnywhere) {
  const std::string path = fresh_path("cut");
  {
    CellFile file(path, "settings");
    file.append("E4/m/1", cell(0.25));
    file.append("E4/m/2", cell(0.5));
  }
  const std::string whole = read(path);
  const std::size_t first = whole.find('\n') + 1;
  for (std::size_t length = first; length < whole.size(); length += 97) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, length);
    {
      CellFile file(path, "settings");
      ASSERT_EQ(file.found().size(), 1U) << length;
      EXPECT_EQ(file.found().count("E4/m/1"), 1U);
      file.append("E4/m/2", cell(0.75));
    }
    CellFile file(path, "settings");
    ASSERT_EQ(file.found().size(), 2U) << length;
    EXPECT_EQ(digest(file.found().at("E4/m/2").outcome), digest(cell(0.75).outcome));
  }
}

TEST(CellFile, IsHeldByOneRun) {
  const std::string path = fresh_path("held");
  CellFile file(path, "settings");
  file.append("E4/m/1", cell(0.25));
  for (const bool fresh : {false, true}) {
    try {
      const CellFile second(path, "settings", fresh);
      ADD_FAILURE() << "a second run was let in";
    } catch (const EnvironmentError& error) {
      EXPECT_EQ(std::string(error.what()), path + ": another run is writing into this folder");
    }
  }
  file.append("E4/m/2", cell(0.5));
  EXPECT_EQ(std::ranges::count(read(path), '\n'), 2);
}

TEST(CellFile, StartsAnewIfAskedTo) {
  const std::string path = fresh_path("anew");
  CellFile(path, "settings").append("E4/m/1", cell(0.25));
  EXPECT_TRUE(CellFile(path, "settings", true).found().empty());
  EXPECT_EQ(read(path), "");
}

TEST(CellFile, NamesAFolderItCannotWrite) {
  EXPECT_THROW(CellFile("/proc/palinode/cells.jsonl", "settings"), EnvironmentError);
}

TEST(Suite, RefusesAFolderIntoWhichAnotherRunWrites) {
  const std::string out = testing::TempDir() + "/palinode-two-runs";
  fs::remove_all(out);
  fs::create_directories(out);
  CellFile other(out + "/cells.jsonl", "another run");
  other.append("E4/m/1", cell(0.25));
  const std::string before = read(out + "/cells.jsonl");
  expect_one_line(run({"study", "run", "E1", "--quiet", "--out", out.c_str()}), 4,
                  "another run is writing into this folder");
  expect_one_line(run({"study", "run", "E1", "--quiet", "--fresh", "--out", out.c_str()}), 4,
                  "another run is writing into this folder");
  EXPECT_EQ(read(out + "/cells.jsonl"), before);
  EXPECT_FALSE(fs::exists(out + "/ledger.jsonl"));
  fs::remove_all(out);
}

}  // namespace
}  // namespace palinode::experiments
