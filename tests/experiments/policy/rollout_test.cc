#include "experiments/policy/rollout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "experiments/environments/cartpole.h"
#include "experiments/environments/grid_world.h"
#include "experiments/policy/losses.h"
#include "nn/mlp.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments::policy {
namespace {

// A policy that knows nothing yet, with its store.
struct Fresh {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  nn::Mlp policy;

  explicit Fresh(const Environment& task)
      : policy(theta, {.sizes = {task.width(), 16, task.actions()}}) {
    ledger.commit(policy.init(Rng(1).stream("init")));
  }
};

Tensor part(const Tensor& rows, const Trajectory& trajectory) {
  return rows.rows(trajectory.begin, trajectory.end);
}

TEST(Draw, TakesTheFirstActionBeyondTheNumber) {
  const std::vector<double> p = {0.25, 0.5, 0.25};
  EXPECT_EQ(draw(p, 0), 0U);
  EXPECT_EQ(draw(p, 0.2499), 0U);
  EXPECT_EQ(draw(p, 0.25), 1U);
  EXPECT_EQ(draw(p, 0.7499), 1U);
  EXPECT_EQ(draw(p, 0.75), 2U);
  const std::vector<double> short_of_one = {0.5, 0.5 - 1e-16};
  EXPECT_EQ(draw(short_of_one, std::nextafter(1.0, 0.0)), 1U);
}

TEST(Entropy, IsTheLogarithmOfTheNumberOfEqualChoicesAndZeroWithoutOne) {
  const std::vector<double> p(4, 0.25), log_p(4, std::log(0.25));
  EXPECT_NEAR(entropy_of(p, log_p), std::log(4.0), 1e-15);
  const std::vector<double> sure = {1, 0}, log_sure = {0, -INFINITY};
  EXPECT_EQ(entropy_of(sure, log_sure), 0);
}

TEST(Players, PlayWholeEpisodesThatAddUpToTheirReturns) {
  const Environment task = GridWorld(GridWorld::kGoalA);
  const Fresh fresh(task);
  Players players(task, 6, Rng(2).stream("players"));
  const Rollout played = players.play_episodes(fresh.policy);
  ASSERT_EQ(played.trajectories.size(), 6U);
  ASSERT_EQ(played.returns.size(), 6U);
  std::size_t begin = 0;
  for (std::size_t k = 0; k < 6; ++k) {
    const Trajectory& trajectory = played.trajectories[k];
    EXPECT_EQ(trajectory.begin, begin);
    begin = trajectory.end;
    double total = 0;
    for (std::size_t i = trajectory.begin; i < trajectory.end; ++i) total += played.rewards[i];
    EXPECT_NEAR(played.returns[k], total, 1e-12);
    EXPECT_EQ(trajectory.ended, played.rewards[trajectory.end - 1] == 1);
  }
  EXPECT_EQ(begin, played.rows());
}

// The actions are those of the streams and the log-probabilities those of the policy, to the bit:
// in the first epoch of PPO every ratio is exactly 1.
TEST(Players, KeepWhatThePolicyWouldSayAgainToTheBit) {
  const Environment task = BalanceTask();
  const Fresh fresh(task);
  Players players(task, 5, Rng(3).stream("players"));
  const Rollout played = players.play_steps(fresh.policy, 40);
  Tape tape;
  nn::Run run(tape);
  const Var logits = fresh.policy.forward(run, tape.constant(played.observations));
  EXPECT_SAME_BITS(action_log_p(logits, played.actions).value().values<float>(),
                   played.log_p.values<float>());
}

TEST(Players, PlayTheSameAtASeatWhoeverElsePlays) {
  const Environment task = BalanceTask();
  const Fresh fresh(task);
  const Rng stream = Rng(4).stream("players");
  const Rollout many = Players(task, 7, stream).play_episodes(fresh.policy);
  const Rollout few = Players(task, 2, stream).play_episodes(fresh.policy);
  for (std::size_t seat = 0; seat < 2; ++seat) {
    const Trajectory &a = many.trajectories[seat], &b = few.trajectories[seat];
    EXPECT_SAME_BITS(part(many.observations, a).values<float>(),
                     part(few.observations, b).values<float>());
    EXPECT_SAME_BITS(part(many.actions, a).values<std::int32_t>(),
                     part(few.actions, b).values<std::int32_t>());
    EXPECT_SAME_BITS(part(many.log_p, a).values<float>(), part(few.log_p, b).values<float>());
  }
}

TEST(Players, GoOnWithAnEpisodeWhereTheyLeftIt) {
  const Environment task = BalanceTask();
  const Fresh fresh(task);
  const Rng stream = Rng(5).stream("players");
  Players in_parts(task, 1, stream), at_once(task, 1, stream);
  const Rollout first = in_parts.play_steps(fresh.policy, 7);
  const Rollout second = in_parts.play_steps(fresh.policy, 33);
  const Rollout whole = at_once.play_steps(fresh.policy, 40);
  EXPECT_SAME_BITS(first.observations.values<float>(),
                   whole.observations.rows(0, 7).values<float>());
  EXPECT_SAME_BITS(second.observations.values<float>(),
                   whole.observations.rows(7, 40).values<float>());
  EXPECT_GE(whole.returns.size(), 1U);
  EXPECT_FALSE(first.trajectories.back().ended);
  // What comes after the part is what the next one begins with.
  EXPECT_SAME_BITS(first.next.values<float>(), second.observations.rows(0, 1).values<float>());
}

TEST(Players, RefuseWholeEpisodesWhileOneIsUnderWay) {
  const Environment task = BalanceTask();
  const Fresh fresh(task);
  Players players(task, 1, Rng(6));
  players.play_steps(fresh.policy, 1);
  EXPECT_MESSAGE(players.play_episodes(fresh.policy), Error, "players: an episode is under way");
}

TEST(Evaluate, SaysTheSameTwiceAndOtherwiseForOtherEpisodes) {
  const Environment task = BalanceTask();
  const Fresh fresh(task);
  const Evaluation once = evaluate(fresh.policy, task, 8, Rng(1).stream("evaluation"));
  const Evaluation again = evaluate(fresh.policy, task, 8, Rng(1).stream("evaluation"));
  EXPECT_EQ(once.mean_return, again.mean_return);
  EXPECT_SAME_BITS(once.inputs.values<float>(), again.inputs.values<float>());
  EXPECT_NE(once.mean_return,
            evaluate(fresh.policy, task, 8, Rng(2).stream("evaluation")).mean_return);
}

}  // namespace
}  // namespace palinode::experiments::policy
