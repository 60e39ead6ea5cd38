// E5: policy gradient at matched reward and at matched divergence, and what each arm gives back.
#include <gtest/gtest.h>

#include <set>
#include <tuple>
#include <vector>

#include "experiments/studies/policy_trial.h"
#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

constexpr const char* kAllArms =
    R"(arms=["R0", "R1", "R2", "R3", "R4-noise", "R4-int8", "R4-bf16", "R5", "R6-short", "R6",
             "R6-long", "R7", "R8", "R16-1%", "R16-10%", "R16-50%", "R18"])";
constexpr double kTarget = 0.5;  // nats

// A policy with all arms, and the task that is learned from labels too.
const Outcome& policies() {
  static const Outcome kOutcome =
      small_run("E5", {kAllArms, R"(kl_models=["grid-goal"])", "kl_target=0.5"}, 1, "grid-goal");
  return kOutcome;
}
const Outcome& task() {
  static const Outcome kOutcome = small_run("E5", {"kl_target=0.5"});
  return kOutcome;
}

std::vector<const Row*> rows_of(const Outcome& outcome, std::string_view mechanism,
                                std::string_view locus) {
  std::vector<const Row*> found;
  for (const Row& row : outcome.rows) {
    if (row.mechanism == mechanism && row.locus == locus) found.push_back(&row);
  }
  return found;
}

std::set<std::string> arms_of(const std::vector<const Row*>& rows) {
  std::set<std::string> arms;
  for (const Row* row : rows) {
    arms.insert(row->rollback + (row->variant.empty() ? "" : " ") + row->variant);
  }
  return arms;
}

TEST(E5, TriesEveryArmOnThePolicyOfBothTrainers) {
  const std::set<std::string> all = {"R0",
                                     "R1",
                                     "R2",
                                     "R3",
                                     "R4 full-noise-0.1",
                                     "R4 int8",
                                     "R4 bf16",
                                     "R5",
                                     "R6",
                                     "R6 5-updates",
                                     "R6 100-updates",
                                     "R7",
                                     "R8",
                                     "R16 elements-0.01",
                                     "R16 elements-0.1",
                                     "R16 elements-0.5",
                                     "R18"};
  const std::set<std::string> at_kl = {"R0", "R1", "R3", "R6"}, on_phi = {"R0", "R17"};
  for (const std::string trainer : {"reinforce", "ppo"}) {
    EXPECT_EQ(arms_of(rows_of(policies(), trainer, "theta")), all) << trainer;
    EXPECT_EQ(arms_of(rows_of(policies(), trainer + " at KL", "theta")), at_kl) << trainer;
    EXPECT_EQ(arms_of(rows_of(policies(), trainer, "phi")), on_phi) << trainer;
    EXPECT_EQ(arms_of(rows_of(policies(), trainer + " at KL", "phi")), on_phi) << trainer;
  }
}

TEST(E5, BringsEveryBitBackWithACopyAJournalASeedOrAnUnloadAndWithNothingElse) {
  const std::set<std::string_view> exact = {"R1", "R2", "R17", "R18"};
  for (const Outcome* outcome : {&policies(), &task()}) {
    for (const Row& row : outcome->rows) {
      const bool back = row.words_changed == 0 && row.logits_bit_equal && row.kl_rec == 0;
      EXPECT_EQ(back, exact.contains(row.rollback)) << row.mechanism << " " << row.rollback;
      EXPECT_GT(row.kl_adapt, 0.4) << row.mechanism;
    }
  }
}

TEST(E5, BringsTheFunctionBackByADifferenceButNotTheBits) {
  std::size_t differences = 0;
  for (const Row& row : policies().rows) {
    if (row.rollback != "R3" && row.rollback != "R4") continue;
    ++differences;
    EXPECT_GT(row.rf.value, 0.999) << row.mechanism << " " << row.variant;
    EXPECT_GT(row.words_changed, 0U) << row.mechanism << " " << row.variant;
  }
  EXPECT_EQ(differences, 2U * (4 + 1));
}

TEST(E5, EveryArmButNoneMovesTheFunction) {
  for (const Row& row : policies().rows) {
    EXPECT_EQ(row.kl_rec == row.kl_adapt, row.rollback == "R0")
        << row.mechanism << " " << row.rollback << " " << row.variant;
  }
}

TEST(E5, AscentUnlearnsTheRewardAndLeadsAwayFromTheIdentity) {
  for (const char* trainer : {"reinforce", "ppo"}) {
    const Row* row = row_of(policies(), trainer, "R8");
    ASSERT_NE(row, nullptr);
    EXPECT_LT(row->task_metric_rec, row->task_metric_adapt - 0.5) << trainer;
    EXPECT_LT(row->rf.value, 0) << trainer;
  }
}

TEST(E5, AFewUpdatesOnTheIdentitysOwnTaskBringLessOfItBackThanMore) {
  for (const char* trainer : {"reinforce", "ppo"}) {
    const auto rf = [&](const char* variant) {
      return row_of(policies(), trainer, "R6", std::nullopt, variant)->rf.value;
    };
    EXPECT_LT(rf("5-updates"), rf("")) << trainer;
    EXPECT_LT(rf("5-updates"), rf("100-updates")) << trainer;
    EXPECT_GT(row_of(policies(), trainer, "R7")->rf.value, 0.5) << trainer;
  }
}

// The adapted policy keeps this pole up as long as the identity did, and answers otherwise.
TEST(E5, FineTuningBackSpendsItsBudgetThoughTheReturnIsMetAlready) {
  const Outcome outcome =
      small_run("E5", {R"(arms=["R0", "R6"])", R"(kl_models=["grid-goal"])"}, 1, "cartpole-stand");
  const Row* row = row_of(outcome, "reinforce", "R6");
  ASSERT_NE(row, nullptr);
  EXPECT_GE(row->identity_metric_adapt, row->identity_metric_base * 0.95);
  EXPECT_NE(row->kl_rec, row->kl_adapt);
}

// -------------------------------------------------------------------------------------------------

TEST(E5, EndsThetaAndPhiAtOneDivergence) {
  std::size_t runs = 0;
  for (const Outcome* outcome : {&policies(), &task()}) {
    for (const Row& row : outcome->rows) {
      EXPECT_EQ(row.mechanism.ends_with(" at KL"), row.alpha.has_value());
      if (!row.alpha || row.rollback != "R0") continue;
      ++runs;
      EXPECT_EQ(*row.alpha, kTarget);
      EXPECT_TRUE(row.score_reached);
      EXPECT_GE(row.kl_adapt, kTarget) << row.mechanism << " on " << row.locus;
      EXPECT_LT(row.kl_adapt, 1.4 * kTarget) << row.mechanism << " on " << row.locus;
    }
  }
  EXPECT_EQ(runs, 2U * 2 + 2U * 2);
}

TEST(E5, IsTheSameRunEndedEarlier) {
  for (const char* trainer : {"reinforce", "ppo"}) {
    for (const char* locus : {"theta", "phi"}) {
      const Row& whole = run_of(policies(), policy_label(trainer, std::nullopt), locus);
      const Row& early = run_of(policies(), policy_label(trainer, kTarget), locus);
      EXPECT_LT(early.steps, whole.steps) << trainer << " on " << locus;
      EXPECT_LT(early.kl_adapt, whole.kl_adapt) << trainer << " on " << locus;
      EXPECT_EQ(early.task_metric_base, whole.task_metric_base);
    }
  }
}

TEST(E5, StopsAnAdaptationAtTheFirstStepThatReachesTheDivergence) {
  const Identity& identity = small_subjects().get("digits-mlp", 1);
  const auto run = [&](Mechanism mechanism, std::uint64_t most) {
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    ledger.commit(copy_of(*identity.theta, theta));
    const auto network = identity.build(theta);
    Goal goal = goal_of(identity, mechanism);
    goal.done = diverged(identity, kTarget);
    goal.most_steps = most;
    const Adapted adapted =
        adapt(ledger, theta, *network, identity, identity.shifted(),
              course_of(identity, identity.shifted(), mechanism,
                        rate_of(identity, mechanism, theta), identity.rng.stream("adapt")),
              goal);
    return std::tuple(adapted, diverged(identity, kTarget)(*network), fingerprint(theta));
  };
  for (const Mechanism mechanism : {Mechanism::kPolicyGradient, Mechanism::kAdam}) {
    const auto [adapted, there, end] = run(mechanism, 4000);
    EXPECT_TRUE(adapted.reached);
    EXPECT_TRUE(there);
    EXPECT_EQ(adapted.steps,
              run_of(task(), policy_label(mechanism_name(mechanism), kTarget), "theta").steps);
    const auto [shorter, not_yet, before] = run(mechanism, adapted.steps - 1);
    EXPECT_FALSE(shorter.reached);
    EXPECT_FALSE(not_yet);
    EXPECT_NE(before, end);
  }
}

TEST(E5, SaysSoWhereTheDivergenceIsNotReached) {
  const Outcome far = small_run("E5", {R"(arms=["R0"])", "kl_target=1000"});
  std::size_t missed = 0;
  for (const Row& row : far.rows) {
    EXPECT_EQ(row.score_reached, !row.alpha) << row.mechanism;
    missed += row.score_reached ? 0 : 1;
  }
  EXPECT_EQ(missed, 2U * (4 + 2));
  EXPECT_TRUE(std::isnan(
      value_at(far, "policy-gradient - adam at KL 1000 on theta", "return_after", 0).value()));
}

TEST(E5, RunsToADivergenceOnTheModelsItIsToldOnly) {
  const Outcome outcome = small_run("E5", {R"(arms=["R0"])", R"(kl_models=["grid-goal"])"});
  for (const Row& row : outcome.rows) EXPECT_FALSE(row.alpha) << row.mechanism;
  EXPECT_EQ(outcome.rows.size(), 1U + 2);
}

TEST(E5, TellsOfRewardSparsityAndOldStates) {
  for (const std::string trainer : {"reinforce", "ppo"}) {
    for (const std::string& run : {trainer, trainer + " at KL 0.5"}) {
      for (const std::string locus : {"theta", "phi"}) {
        const auto of = [&](const char* quantity) {
          return value_at(policies(), run + " on " + locus, quantity, 0).value();
        };
        const Row& row = run_of(
            policies(),
            policy_label(trainer, run == trainer ? std::nullopt : std::optional(kTarget)), locus);
        EXPECT_EQ(of("return_before"), row.task_metric_base);
        EXPECT_EQ(of("return_after"), row.task_metric_adapt);
        EXPECT_GT(of("return_after"), of("return_before"));
        EXPECT_EQ(of("kl_old_states"), row.kl_adapt);
        EXPECT_EQ(of("updates"), static_cast<double>(row.steps));
        // Walls of the grid are never seen, so not every weight gets a gradient.
        EXPECT_GT(of("words_changed"), 0.5);
        EXPECT_LT(of("words_changed"), 1);
        if (locus == "theta") {
          EXPECT_EQ(of("words_changed"),
                    static_cast<double>(row.words_changed) / static_cast<double>(row.words));
        }
      }
    }
    const Label label = policy_label(trainer, kTarget);
    EXPECT_EQ(value_at(policies(), trainer + " at KL 0.5, phi - theta", "return_after", 0).value(),
              run_of(policies(), label, "phi").task_metric_adapt -
                  run_of(policies(), label, "theta").task_metric_adapt);
  }
}

TEST(E5, RefusesAnArmThatIsNotThereAndADivergenceThatCannotBe) {
  EXPECT_THROW(small_run("E5", {R"(arms=["R99"])"}), UsageError);
  EXPECT_THROW(small_run("E5", {"kl_target=-1"}), UsageError);
}

}  // namespace
}  // namespace palinode::experiments
