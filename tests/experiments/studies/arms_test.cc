// Rollback arms by name: every one is made, or left out where it cannot be had.
#include "experiments/studies/arms.h"

#include <gtest/gtest.h>

#include <set>

#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

const Identity& identity() { return small_subjects().get("digits-mlp", 1); }

ArmContext context(Mechanism mechanism, const Identity& of = identity()) {
  return {.identity = of,
          .task = of.shifted(),
          .mechanism = mechanism,
          .stream = of.rng.stream("adapt"),
          .lr = 0.01};
}

// How many rollbacks a name makes before the adaptation, and once it is over.
struct Made {
  std::vector<std::string> before, late;
};

Made made(const std::string& name, const ArmContext& with) {
  const Words names = {name};
  const Arms arms = make_arms(names, with);
  Made all;
  for (const auto& rollback : arms.before) all.before.emplace_back(rollback->id());
  for (const auto& rollback : arms.late(10)) all.late.emplace_back(rollback->id());
  return all;
}

// "R16-10%" is a form of R16.
std::string id_of(std::string_view form) { return std::string(form.substr(0, form.find('-'))); }

TEST(Arms, AreMadeOfEveryForm) {
  const std::set<std::string_view> late = {"R5", "R8", "R9", "R10", "R11"};
  for (const ArmForm& form : arm_forms()) {
    const Mechanism mechanism = form.name == "R9"    ? Mechanism::kSgd
                                : form.name == "R10" ? Mechanism::kMomentum
                                                     : Mechanism::kAdam;
    const Made all = made(std::string(form.name), context(mechanism));
    const std::vector<std::string> one = {id_of(form.name)}, none;
    EXPECT_EQ(all.late, late.contains(form.name) ? one : none) << form.name;
    EXPECT_EQ(all.before, late.contains(form.name) ? none : one) << form.name;
    EXPECT_FALSE(form.text.empty());
  }
}

TEST(Arms, ReplayOnlyTheOptimizerTheyKnow) {
  for (const Mechanism mechanism : {Mechanism::kSgd, Mechanism::kMomentum, Mechanism::kAdam,
                                    Mechanism::kAdamW, Mechanism::kPolicyGradient}) {
    const auto late = [mechanism](const char* name) {
      return made(name, context(mechanism)).late.size();
    };
    EXPECT_EQ(late("R9"), mechanism == Mechanism::kSgd ? 1U : 0U);
    EXPECT_EQ(late("R10"), mechanism == Mechanism::kMomentum ? 1U : 0U);
    EXPECT_EQ(late("R11"), mechanism == Mechanism::kAdam ? 1U : 0U);
    EXPECT_EQ(late("R5"), 1U);
    EXPECT_EQ(late("R8"), 1U);
  }
}

TEST(Arms, LeaveRetrainingOutWhereTheIdentityCameFromAFile) {
  EXPECT_EQ(made("R18", context(Mechanism::kAdam)).before.size(), 1U);
  Subjects subjects{Options{}};
  const Identity& lande = subjects.get("lande", 1);
  ASSERT_FALSE(lande.init);
  const Made all = made("R18", context(Mechanism::kAdam, lande));
  EXPECT_TRUE(all.before.empty() && all.late.empty());
}

TEST(Arms, StandInTheOrderOfTheirNames) {
  const Words names = {"R6", "R1", "R0"};
  const Arms arms = make_arms(names, context(Mechanism::kAdam));
  ASSERT_EQ(arms.before.size(), 3U);
  EXPECT_EQ(arms.before[0]->id(), "R6");
  EXPECT_EQ(arms.before[2]->id(), "R0");
}

TEST(Arms, ListThemselvesForANameThatIsNotThere) {
  for (const char* name : {"R99", "r0", "R16", "R4", ""}) {
    const Words names = {"R0", name};
    try {
      make_arms(names, context(Mechanism::kAdam));
      ADD_FAILURE() << name;
    } catch (const UsageError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with("no arm \"" + std::string(name) + "\"; there are R0, R1, "));
      for (const ArmForm& form : arm_forms()) {
        EXPECT_NE(message.find(form.name), std::string::npos) << form.name;
      }
    }
  }
}

}  // namespace
}  // namespace palinode::experiments
