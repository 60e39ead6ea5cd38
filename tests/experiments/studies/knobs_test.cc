// Knobs: what may be put in place of a value, and how what may not is named.
#include "experiments/studies/knobs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "experiments/suite/suite.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tests/experiments/command_line.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob>& knobs() {
  static const std::vector<Knob> kAll =
      with_subjects({"a"}, {"a", "b"},
                    {{"rank", "a number", 4.0, 8.0},
                     {"alphas", "numbers", Numbers{0.1, 0.2}, Numbers{1}},
                     {"seeds", "in place of the usual ones", 3.0, 5.0}});
  return kAll;
}

Settings settings() { return {knobs(), Size::kQuick}; }

TEST(Knobs, HaveAValueForEachSize) {
  EXPECT_EQ(settings().json().dump(),
            R"({"models":["a"],"seeds":3.0,"seeds_medium":2.0,"seeds_large":2.0,)"
            R"("rank":4.0,"alphas":[0.1,0.2]})");
  const Settings full(knobs(), Size::kFull);
  EXPECT_EQ(full.json().dump(),
            R"({"models":["a","b"],"seeds":5.0,"seeds_medium":10.0,"seeds_large":5.0,)"
            R"("rank":8.0,"alphas":[1.0]})");
}

TEST(Knobs, TakeAValueOfTheirKind) {
  Settings changed = settings();
  changed.set("rank=7");
  changed.set("alphas=[1, 0.5]");
  changed.set("models=[\"x\", \"y\"]");
  EXPECT_EQ(changed.count("rank"), 7U);
  EXPECT_EQ(changed.numbers("alphas"), (Numbers{1, 0.5}));
  EXPECT_EQ(changed.words("models"), (Words{"x", "y"}));
  changed.set("alphas=0.25");  // one number where a list is wanted
  EXPECT_EQ(changed.numbers("alphas"), Numbers{0.25});
}

void expect_refused(const char* assignment, const std::string& part) {
  Settings changed = settings();
  try {
    changed.set(assignment);
    ADD_FAILURE() << assignment << " was taken";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
  EXPECT_EQ(changed, settings()) << assignment;
}

TEST(Knobs, RefuseWhatIsNoAssignment) {
  expect_refused("rank", "\"rank\": key=value is needed");
  expect_refused("=4", "key=value is needed");
  expect_refused("", "key=value is needed");
  expect_refused("rank=", "\"rank=\": ");
  expect_refused("rank=four", "\"rank=four\": ");
  expect_refused("rank=4\nalphas=[1]", "\"rank=4\nalphas=[1]\": ");
  expect_refused("alphas=[1, 2", "\"alphas=[1, 2\": ");
}

TEST(Knobs, RefuseANameThatIsNotThereAndListThoseThatAre) {
  expect_refused("depth=3",
                 "no setting \"depth\"; there are models, seeds, seeds_medium, "
                 "seeds_large, rank");
}

TEST(Knobs, RefuseAValueOfAnotherKindAndSayWhatCame) {
  expect_refused("rank=true", "\"rank=true\": a number, [numbers] or [\"words\"] are needed");
  expect_refused("alphas=[true]", "\"alphas=[true]\": ");
  expect_refused("alphas=[1, \"x\"]", "\"alphas=[1, \"x\"]\": ");
  expect_refused("alphas=[9007199254740993]", "\"alphas=[9007199254740993]\": ");
  expect_refused("rank=[1]", "\"rank\" takes a number");
  expect_refused("rank=\"x\"", "\"rank=\"x\"\": ");
  expect_refused("alphas=[\"x\"]", "\"alphas\" takes a list of numbers");
  expect_refused("alphas=[\"x\"]", "got [\"x\"]");
  expect_refused("models=[1]", "\"models\" takes a list of strings");
  expect_refused("models=1", "got 1");
}

TEST(Knobs, RefuseAValueNoStudyCanMean) {
  expect_refused("rank=-1",
                 "\"rank\" takes a number, not empty, of finite values >= 0, and got -1");
  expect_refused("rank=inf", "got inf");
  expect_refused("rank=nan", "got nan");
  expect_refused("alphas=[]", "\"alphas\"");
  expect_refused("models=[]", "\"models\"");
  expect_refused("alphas=[1, -2]", "\"alphas\"");
  expect_refused("alphas=[1, 2, 1]", "\"alphas\" has a value twice");
  expect_refused("models=[\"a\", \"a\"]", "\"models\" has a value twice");
}

TEST(Knobs, AreReadAsTheirKindOnly) {
  const Settings all = settings();
  EXPECT_MESSAGE(all.number("depth"), NameError, "no setting \"depth\"");
  EXPECT_MESSAGE(all.number("models"), NameError, "setting \"models\" is a list of strings");
  EXPECT_MESSAGE(all.words("rank"), NameError, "setting \"rank\" is a number");
  Settings half = all;
  half.set("rank=2.5");
  EXPECT_MESSAGE(half.count("rank"), UsageError, "rank = 2.5: a whole number is needed");
}

TEST(Overrides, AreTheTablesOfAFileWithTheirPlaces) {
  const std::string path =
      temporary("own.toml",
                "# mine\n[E3]\nalphas = [0.1, 1e-300]\nmodels = [\"lande\"]\n\n[E4]\nseeds = 3\n");
  const std::vector<Override> all = read_overrides(path);
  ASSERT_EQ(all.size(), 3U);
  SuiteConfig config;
  config.studies = {&find_study("E3"), &find_study("E4")};
  config.overrides = all;
  const std::vector<StudyPlan> plans = study_plans(config);
  EXPECT_EQ(plans[0].settings.numbers("alphas"), (Numbers{0.1, 1e-300}));
  EXPECT_EQ(plans[0].settings.words("models"), Words{"lande"});
  EXPECT_EQ(plans[1].settings.count("seeds"), 3U);
  EXPECT_NE(plans[0].settings.count("seeds"), 3U);
}

// The message ends with `part` and names the file and the line.
void expect_bad_file(const std::string& text, const std::string& line, const std::string& part) {
  const std::string path = temporary("bad.toml", text);
  try {
    read_overrides(path);
    ADD_FAILURE() << text << " was taken";
  } catch (const FormatError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with(path + ":" + line + ": ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(Overrides, NameTheFileAndLineOfWhatIsWrong) {
  expect_bad_file("[E3]\nalphas = [0.1\n", "2", "");
  expect_bad_file("\nalphas = [0.1]\n", "2", "\"alphas\" is no table of a study");
  expect_bad_file("[E3]\nalphas = [0.1]\nalphas = [1]\n", "3", "alphas");
  expect_bad_file("[E3]\n\nalpha = [0.1]\n", "3", "no setting \"alpha\"");
  expect_bad_file("[E3]\nalphas = [\"x\"]\n", "2", "\"alphas\" takes a list of numbers");
  expect_bad_file("[E3]\nalphas = 2001-01-01\n", "2", "alphas=2001-01-01");
  expect_bad_file("[E3.more]\nalphas = [1]\n", "1", "more");
  expect_bad_file("\n[E99]\nseeds = 1\n", "3", "unknown study \"E99\"");
  expect_bad_file("[E4]\nseed = 1\n", "2", "no setting \"seed\"");
}

TEST(Overrides, NameAStudyAndModelsThatAreThere) {
  SuiteConfig config;
  config.studies = {&find_study("E3"), &find_study("E4")};
  const auto with = [&config](const char* study, const char* assignment) {
    SuiteConfig changed = config;
    changed.overrides = {{study, assignment}};
    return study_plans(changed);
  };
  EXPECT_THROW(with("E99", "seeds=1"), UsageError);
  EXPECT_MESSAGE(with("E1", "seeds=1"), UsageError, "\"seeds=1\": E1 is not among the studies");
  EXPECT_MESSAGE(with("", "depth=1"), UsageError, "no study has a setting \"depth\"");
  EXPECT_THROW(with("E4", "alphas=[1]"), UsageError);
  for (const char* study : {"", "E3"}) {
    try {
      with(study, "models=[\"lande\", \"nope\"]");
      ADD_FAILURE();
    } catch (const UsageError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with("E3: unknown model \"nope\"; there are digits-mlp, "))
          << message;
    }
  }
  // Of every study that has it; by its name too.
  EXPECT_EQ(with("", "alphas=[1]")[0].settings.numbers("alphas"), Numbers{1});
  EXPECT_EQ(with("fine-tuning", "seeds=3")[1].settings.count("seeds"), 3U);
  EXPECT_EQ(with("e3", "seeds=3")[0].settings.count("seeds"), 3U);
}

TEST(PublishedRun, IsOneWithTheSettingsOfItsSize) {
  SuiteConfig config;
  config.studies = {&find_study("E3"), &find_study("E4")};
  EXPECT_TRUE(is_published_run(config));
  const auto with = [&config](const char* assignment) {
    SuiteConfig changed = config;
    changed.overrides = {{"", assignment}};
    return is_published_run(changed);
  };
  EXPECT_FALSE(with("seeds=3"));
  EXPECT_FALSE(with("seeds_large=0"));
  EXPECT_FALSE(with("alphas=[0.001, 0.01, 0.05]"));
  EXPECT_FALSE(with("models=[\"digits-mlp2-32\"]"));
  EXPECT_TRUE(with("alphas=[0.001, 0.01, 0.05, 0.3]"));  // what it is anyway
  SuiteConfig full = config;
  full.size = Size::kFull;
  EXPECT_TRUE(is_published_run(full));
  full.overrides = {{"E3", "alphas=[0.001, 0.01, 0.05, 0.3]"}};  // those of the quick run
  EXPECT_FALSE(is_published_run(full));
  for (const auto change :
       {+[](SuiteConfig& c) { c.first_seed = 2; }, +[](SuiteConfig& c) { c.seeds = 10; },
        +[](SuiteConfig& c) { c.data_path = "own.csv"; }}) {
    SuiteConfig changed = config;
    change(changed);
    EXPECT_FALSE(is_published_run(changed));
  }
}

TEST(Settings, AreEqualOnlyValueForValue) {
  Settings one = settings(), two = settings();
  EXPECT_EQ(one, two);
  one.set("alphas=[0.2, 0.1]");  // another order is another run
  EXPECT_NE(one, two);
  two.set("alphas=[0.2, 0.1]");
  EXPECT_EQ(one, two);
  two.set("rank=5");
  EXPECT_NE(one, two);
}

}  // namespace
}  // namespace palinode::experiments
