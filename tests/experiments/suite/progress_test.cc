// The line that says how far a run is, at given times.
#include "experiments/suite/progress.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace palinode::experiments {
namespace {

// Three studies, of which E1 is done and E9 has nothing to do; ten seconds gave 20 of 50 expected.
std::vector<StudyPart> some() {
  return {{"E1", 2, 2, 5, 5}, {"E4", 4, 1, 35, 10}, {"E9", 0, 0, 0, 0}, {"E11", 3, 2, 10, 5}};
}

TEST(ProgressLine, SaysWhatIsLeftAtThePaceSoFar) {
  EXPECT_EQ(progress_line(some(), 10, false),
            "studies: 5/9 cells, 10 s, 15 s left; E4 1/4 (12 s), E11 2/3 (2 s)");
  // The same cells in twelve times the time: all of it takes twelve times as long.
  EXPECT_EQ(progress_line(some(), 120, false),
            "studies: 5/9 cells, 2.0 min, 3.0 min left; E4 1/4 (2.5 min), E11 2/3 (30 s)");
}

TEST(ProgressLine, SaysNothingOfTheRestBeforeAnythingIsDone) {
  const std::vector<StudyPart> none = {{"E1", 2, 0, 5, 0}, {"E4", 4, 0, 35, 0}};
  EXPECT_EQ(progress_line(none, 0, false), "studies: 0/6 cells, 0 s");
  EXPECT_EQ(progress_line(none, 30, false), "studies: 0/6 cells, 30 s");
}

TEST(ProgressLine, SaysNothingOfTheRestWhenItIsTheLast) {
  EXPECT_EQ(progress_line(some(), 10, true), "studies: 5/9 cells, 10 s");
}

// 0.1 + 0.2 is above 0.3, so what is left of it rounds below 0.
TEST(ProgressLine, NeverSaysThatLessThanNothingIsLeft) {
  const std::vector<StudyPart> rounded = {{"E1", 3, 2, 0.3, 0.1 + 0.2}};
  ASSERT_LT(rounded[0].weight - rounded[0].weight_done, 0);
  EXPECT_EQ(progress_line(rounded, 10, false), "studies: 2/3 cells, 10 s, 0 s left; E1 2/3 (0 s)");
}

TEST(ProgressLine, NamesFourStudiesAtMost) {
  std::vector<StudyPart> many;
  for (const char* id : {"E1", "E2", "E3", "E4", "E5", "E6"}) many.push_back({id, 2, 1, 2, 1});
  many[1].done = 2;
  EXPECT_EQ(progress_line(many, 6, false),
            "studies: 7/12 cells, 6 s, 6 s left; E1 1/2 (1 s), E3 1/2 (1 s), E4 1/2 (1 s), "
            "E5 1/2 (1 s)");
}

// What a run of two cells prints where stderr is no terminal.
std::string printed(bool quiet, std::size_t before) {
  const std::vector<StudyPlan> plans = {{.study = &find_study("E1"), .settings = {}}};
  const std::vector<PlannedCell> cells = {{0, "digits-mlp", 1, "E1/digits-mlp/1", 2.0},
                                          {0, "digits-mlp", 2, "E1/digits-mlp/2", 2.0}};
  const std::vector<std::size_t> mine = {0, 1};
  testing::internal::CaptureStderr();
  {
    StudyProgress progress(plans, cells, mine, before, quiet);
    for (const PlannedCell& cell : cells) progress.advance(cell);
  }
  return testing::internal::GetCapturedStderr();
}

TEST(StudyProgress, PrintsNothingIfQuiet) { EXPECT_EQ(printed(true, 3), ""); }

TEST(StudyProgress, PrintsPlainLinesWhereThereIsNoTerminal) {
  EXPECT_EQ(printed(false, 0), "studies: 2/2 cells, 0 s\n");
  EXPECT_EQ(printed(false, 3),
            "going on: 3 cells were finished by an earlier run\nstudies: 2/2 cells, 0 s\n");
}

}  // namespace
}  // namespace palinode::experiments
