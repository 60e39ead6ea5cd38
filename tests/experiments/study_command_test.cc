// `palinode study` and `reproduce`: what would run, what there is to set, and what may not be set.
#include <gtest/gtest.h>

#include <filesystem>

#include "experiments/studies/study.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST(DryRun, PrintsEveryStudyAndWritesNothing) {
  const std::string out = testing::TempDir() + "/palinode-dry";
  for (const char* size : {"--quick", "--full"}) {
    const Ended ended = run({"reproduce", size, "--dry-run", "--out", out.c_str()});
    EXPECT_EQ(ended.code, 0) << ended.err;
    for (const Study& study : studies()) {
      const std::string id = std::string(study.id) + std::string(5 - study.id.size(), ' ');
      EXPECT_TRUE(has(ended.out, "\n" + id + std::string(study.name))) << study.id;
    }
    EXPECT_TRUE(has(ended.out, " cells"));
  }
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(DryRun, CountsTheSeedsThatWouldRun) {
  const Ended ended = run({"study", "run", "E4", "--dry-run", "--seeds", "3"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "\n3 cells")) << ended.out;
  const Ended set = run({"study", "run", "E4", "--dry-run", "--set", "seeds=4"});
  EXPECT_TRUE(has(set.out, "\n4 cells")) << set.out;
  EXPECT_TRUE(has(set.out, "\"seeds\":4.0")) << set.out;
}

TEST(StudyList, PrintsEveryKnobOfEveryStudy) {
  const Ended ended = run({"study", "list"});
  EXPECT_EQ(ended.code, 0);
  for (const Study& study : studies()) {
    const std::size_t begin = ended.out.find(std::string(study.question));
    ASSERT_NE(begin, std::string::npos) << study.id;
    for (const Knob& knob : study.knobs) {
      const std::string line = "\n     " + std::string(knob.name) + " = ";
      const std::size_t at = ended.out.find(line, begin);
      ASSERT_NE(at, std::string::npos) << study.id << " " << knob.name;
      EXPECT_NE(ended.out.find("(" + std::string(knob.meaning) + ")", at), std::string::npos);
    }
  }
}

TEST(StudyList, PrintsEveryModel) {
  const Ended ended = run({"study", "list", "--models"});
  EXPECT_EQ(ended.code, 0);
  for (const SubjectInfo& info : subject_infos()) {
    EXPECT_TRUE(has("\n" + ended.out, "\n" + std::string(info.name) + " ")) << info.name;
  }
  // Those of one study alone too: whatever a study runs on is listed once.
  const std::string lines = "\n" + ended.out;
  for (const Study& study : studies()) {
    const Settings full(study.knobs, Size::kFull);
    for (const std::string& name : full.words("models")) {
      const std::size_t at = lines.find("\n" + name + " ");
      ASSERT_NE(at, std::string::npos) << study.id << " " << name;
      EXPECT_EQ(lines.find("\n" + name + " ", at + 1), std::string::npos) << name;
    }
  }
  EXPECT_TRUE(has(ended.out, "\ngrid-goal          E5's own\n"));
}

TEST(Set, EndsWithTwoForWhatCannotBeMeant) {
  const auto set = [](const char* assignment) {
    return run({"study", "run", "E3", "--dry-run", "--set", assignment});
  };
  expect_one_line(set("depth=3"), 2, "no setting \"depth\"; there are models, seeds");
  expect_one_line(set("alphas"), 2, "\"alphas\": key=value is needed");
  expect_one_line(set("alphas=[\"x\"]"), 2, "\"alphas\" takes a list of numbers");
  expect_one_line(set("alphas=[0.1"), 2, "alphas=[0.1");
  expect_one_line(set("seeds=2.5"), 2, "seeds = 2.5: a whole number is needed");
  expect_one_line(set("models=[\"nope\"]"), 2, "E3: unknown model \"nope\"; there are digits-mlp");
  expect_one_line(set("E99.seeds=1"), 2, "unknown study \"E99\"; there are E0 (null)");
  expect_one_line(set("E4.seeds=1"), 2, "E4 is not among the studies");
  expect_one_line(run({"reproduce", "--dry-run", "--set", "depth=3"}), 2,
                  "no study has a setting \"depth\"");
  EXPECT_EQ(set("E3.alphas=[0.1]").code, 0);
  EXPECT_EQ(set("noise.alphas=[0.1]").code, 0);
}

TEST(Set, EndsWithTwoBeforeAnythingRuns) {
  const std::string out = testing::TempDir() + "/palinode-set";
  std::filesystem::remove_all(out);
  expect_one_line(
      run({"study", "run", "E3", "--quiet", "--out", out.c_str(), "--set", "models=[\"nope\"]"}), 2,
      "unknown model \"nope\"");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Config, EndsWithThreeForAFileThatIsWrong) {
  const auto with = [](const std::string& text) {
    const std::string path = temporary("settings.toml", text);
    return run({"study", "run", "E3", "--dry-run", "--config", path.c_str()});
  };
  expect_one_line(with("[E3]\nalphas = [0.1\n"), 3, "settings.toml:2: ");
  expect_one_line(with("[E3]\n\ndepth = 3\n"), 3, "settings.toml:3: no setting \"depth\"");
  expect_one_line(with("[E3]\nalphas = [\"x\"]\n"), 3, "settings.toml:2: setting \"alphas\" takes");
  expect_one_line(with("[E99]\nseeds = 1\n"), 3, "settings.toml:2: unknown study \"E99\"");
  expect_one_line(with("[E4]\ndepth = 1\n"), 3, "settings.toml:2: no setting \"depth\"");
  expect_one_line(run({"study", "run", "E3", "--dry-run", "--config", "/nonexistent.toml"}), 2,
                  "/nonexistent.toml");
}

TEST(Config, MayHaveTablesOfStudiesThatAreNotRunAndIsUnderSet) {
  const std::string path =
      temporary("settings.toml", "[E3]\nseeds = 4\nmodels = [\"digits-mlp\"]\n[E4]\nseeds = 9\n");
  const Ended file = run({"study", "run", "E3", "--dry-run", "--config", path.c_str()});
  EXPECT_TRUE(has(file.out, "\n4 cells")) << file.out << file.err;
  const Ended both =
      run({"study", "run", "E3", "--dry-run", "--config", path.c_str(), "--set", "seeds=2"});
  EXPECT_TRUE(has(both.out, "\n2 cells")) << both.out << both.err;
}

}  // namespace
}  // namespace palinode::experiments
