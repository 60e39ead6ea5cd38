// Every task is learned by both trainers: by an identity, by the theta of a copy of it, and by a
// phi over it. PALINODE_EXHAUSTIVE=1 does so for ten seeds: some minutes.
#include "experiments/policy/tasks.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <tuple>

#include "experiments/environments/grid_world.h"
#include "rbl/attach.h"

namespace palinode::experiments::policy {
namespace {

const Digits& digits() {
  static const Digits kDigits = make_tasks(embedded_digits());
  return kDigits;
}

class Tasks : public testing::TestWithParam<std::tuple<std::size_t, Trainer>> {};

TEST_P(Tasks, AreLearnedByAnIdentityByThetaAndByPhi) {
  const auto& [number, trainer] = GetParam();
  const PolicyTask task = policy_tasks(digits()).at(number);
  const std::uint64_t seeds = std::getenv("PALINODE_EXHAUSTIVE") == nullptr ? 1 : 10;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    const Rng rng(seed);
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const nn::Mlp policy(theta, task.policy);
    ledger.commit(policy.init(rng.stream("init")));
    const Learned identity = train(ledger, theta, policy, task.identity, trainer, task.on_identity,
                                   "identity", rng.stream("identity"));
    EXPECT_EQ(identity.stop, Stop::kTargetReached) << identity.evaluation;
    // The episodes that decided when to stop are not the only ones it can do.
    const double elsewhere =
        evaluate(policy, task.identity, 100, rng.stream("elsewhere")).mean_return;
    EXPECT_GT(elsewhere, 0.93 * identity.evaluation);
    ledger.freeze(theta);

    const Store& copy = ledger.open("copy", Role::kIdentity);
    ledger.commit(copy_of(theta, copy));
    const nn::Mlp mutated(copy, task.policy);
    const Learned on_theta = train(ledger, copy, mutated, task.adaptation, trainer, task.on_theta,
                                   "theta.adapt", rng.stream("adapt"));
    EXPECT_EQ(on_theta.stop, Stop::kTargetReached) << on_theta.evaluation;

    const Store& phi = ledger.open("phi", Role::kBehavior);
    const rbl::BehaviorPointer lora = rbl::make_behavior(phi, policy, policy_behavior());
    ledger.commit(lora->init(rng.stream("lora")));
    const Learned on_phi = train(ledger, phi, rbl::attach(policy, lora), task.adaptation, trainer,
                                 task.on_phi, "phi.adapt", rng.stream("adapt"));
    EXPECT_EQ(on_phi.stop, Stop::kTargetReached) << on_phi.evaluation;
    // Both set out from the identity, on the same episodes.
    EXPECT_EQ(on_theta.start, on_phi.start);
    EXPECT_LT(on_theta.start, 0.6 * identity.evaluation) << "the identity can do it already";
  }
}

INSTANTIATE_TEST_SUITE_P(All, Tasks,
                         testing::Combine(testing::Range<std::size_t>(0, 4),
                                          testing::Values(Trainer::kReinforce, Trainer::kPpo)),
                         [](const auto& info) {
                           std::string name = policy_tasks(digits())[std::get<0>(info.param)].name;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name + "_" + std::string(trainer_name(std::get<1>(info.param)));
                         });

TEST(PolicyTasks, AskTheGridForNearlyTheBest) {
  const PolicyTask grid = policy_tasks(digits()).at(2);
  for (const std::size_t goal : {GridWorld::kGoalA, GridWorld::kGoalB}) {
    EXPECT_GT(grid.on_theta.ppo.goal.target, 0.96 * GridWorld(goal).best_return());
    EXPECT_LT(grid.on_theta.ppo.goal.target, GridWorld(goal).best_return());
  }
}

TEST(PolicyTasks, MatchTheGoalsOfThetaAndPhi) {
  for (const PolicyTask& task : policy_tasks(digits())) {
    EXPECT_EQ(task.on_theta.reinforce.goal.target, task.on_phi.reinforce.goal.target);
    EXPECT_EQ(task.on_theta.ppo.goal.target, task.on_phi.ppo.goal.target);
    EXPECT_EQ(task.on_theta.ppo.goal.target, task.on_theta.reinforce.goal.target);
  }
}

}  // namespace
}  // namespace palinode::experiments::policy
