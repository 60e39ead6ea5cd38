// Both trainers: they learn, they stop when they should, they write nothing but what they were
// given, and they do the same whatever the number of threads and the SIMD target.
#include "experiments/policy/learning.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "experiments/environments/bandit.h"
#include "experiments/environments/cartpole.h"
#include "experiments/environments/grid_world.h"
#include "experiments/policy/tasks.h"
#include "rbl/attach.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments::policy {
namespace {

const Goal kNever = {.target = 1e9, .episodes = 16, .every = 4, .updates = 4};

Settings small(const Goal& goal) {
  return {.reinforce = {.optimizer = rbl::adam({.lr = 1e-2}), .episodes = 8, .goal = goal},
          .ppo = {.optimizer = rbl::adam({.lr = 5e-3}),
                  .seats = 8,
                  .steps = 64,
                  .epochs = 4,
                  .minibatch = 256,
                  .critic = {.scale = 50},
                  .goal = goal}};
}

struct Identity {
  Ledger ledger{Ledger::Level::kJournal};
  const Store& theta = ledger.open("theta", Role::kIdentity);
  nn::Mlp policy;

  explicit Identity(const Environment& task)
      : policy(theta, {.sizes = {task.width(), 32, task.actions()}}) {
    ledger.commit(policy.init(Rng(1).stream("init")));
  }

  Learned train(const Environment& task, Trainer trainer, const Settings& settings) {
    return policy::train(ledger, theta, policy, task, trainer, settings, "run",
                         Rng(1).stream("run"));
  }
};

class Trainers : public testing::TestWithParam<Trainer> {};

TEST_P(Trainers, RaiseTheReturnOnASmallBudget) {
  const Environment task = BalanceTask();
  Identity identity(task);
  Goal goal = kNever;
  goal.updates = 20;
  const Learned learned = identity.train(task, GetParam(), small(goal));
  EXPECT_LT(learned.start, 40);
  EXPECT_GT(learned.evaluation, 3 * learned.start);
  EXPECT_EQ(learned.stop, Stop::kBudgetEnded);
}

TEST_P(Trainers, LearnByPlainGradientDescentToo) {
  const Environment task = GridWorld(GridWorld::kGoalA);
  Identity identity(task);
  Goal goal = kNever;
  goal.updates = 40;
  Settings settings = small(goal);
  settings.reinforce.optimizer = settings.ppo.optimizer = rbl::sgd({.lr = 1.0});
  const Learned learned = identity.train(task, GetParam(), settings);
  EXPECT_GT(learned.evaluation, learned.start + 0.3);
}

TEST_P(Trainers, StopAsSoonAsAnEvaluationReachesTheTarget) {
  const Environment task = BalanceTask();
  Identity identity(task);
  const Learned learned = identity.train(
      task, GetParam(), small({.target = 60, .episodes = 16, .every = 2, .updates = 200}));
  EXPECT_EQ(learned.stop, Stop::kTargetReached);
  EXPECT_GE(learned.evaluation, 60);
  EXPECT_EQ(learned.curve.back().evaluation, learned.evaluation);
  for (std::size_t i = 0; i + 1 < learned.curve.size(); ++i) {
    const CurvePoint& point = learned.curve[i];
    EXPECT_EQ(point.update, i);
    EXPECT_EQ(point.evaluation.has_value(), i % 2 == 0);
    EXPECT_LT(point.evaluation.value_or(0), 60);
  }
}

TEST_P(Trainers, StopAfterTheFirstUpdateThatIsDone) {
  const Environment task = BalanceTask();
  Identity identity(task);
  const Tensor states = Rng(9).stream("states").normal({64, task.width()}, Dtype::kF32);
  const Tensor start = rbl::log_probabilities(nn::evaluate(identity.policy, states));
  std::vector<double> seen;
  Goal goal = {.target = 0, .episodes = 4, .every = 100, .updates = 100};
  goal.done = [&](const nn::Model& policy) {
    const Tensor now = rbl::log_probabilities(nn::evaluate(policy, states));
    seen.push_back(rbl::kl_divergence(start, now).mean);
    return seen.back() >= 0.05;
  };
  const Learned learned = identity.train(task, GetParam(), small(goal));
  EXPECT_EQ(learned.stop, Stop::kTargetReached);
  ASSERT_EQ(seen.size(), learned.updates + 1);
  ASSERT_GT(learned.updates, 1U);
  EXPECT_LT(learned.updates, 100U);
  EXPECT_EQ(seen.front(), 0);
  EXPECT_GE(seen.back(), 0.05);
  for (std::size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_LT(seen[i], 0.05) << i;
  EXPECT_EQ(learned.curve.back().evaluation, learned.evaluation);

  // To ask costs no bit: so many updates are the same ones.
  const Sha256Digest there = fingerprint(identity.theta);
  Identity again(task);
  again.train(task, GetParam(),
              small({.target = 1e9, .episodes = 8, .every = 1, .updates = learned.updates}));
  EXPECT_EQ(fingerprint(again.theta), there);
}

TEST_P(Trainers, SayThatTheirBudgetEndedIfTheyAreNeverDone) {
  const Environment task = BalanceTask();
  Identity identity(task);
  Goal goal = {.target = 0, .episodes = 4, .every = 3, .updates = 3};
  goal.done = [](const nn::Model&) { return false; };
  const Learned learned = identity.train(task, GetParam(), small(goal));
  EXPECT_EQ(learned.stop, Stop::kBudgetEnded);
  EXPECT_EQ(learned.updates, 3U);
}

TEST_P(Trainers, LowerTheReturnWithTheGradientTurnedRound) {
  const Labelled one = {Tensor::from<float>(std::vector<float>{1}, {1, 1}),
                        Tensor::from<std::int32_t>(std::vector<std::int32_t>{2}, {1})};
  const Environment task = Bandit(one, 3);
  for (const double scale : {1.0, -1.0}) {
    Identity identity(task);
    Settings settings = small({.target = 1e9, .episodes = 512, .every = 20, .updates = 20});
    settings.reinforce.writing.scale = settings.ppo.writing.scale = scale;
    settings.ppo.steps = 1;
    settings.ppo.minibatch = 8;
    const Learned learned = identity.train(task, GetParam(), settings);
    EXPECT_GT(scale * (learned.evaluation - learned.start), 0.05) << scale;
  }
}

TEST_P(Trainers, TellOfEveryCommitToWhatTheyTrain) {
  const Environment task = BalanceTask();
  Identity identity(task);
  std::vector<Sha256Digest> seen;
  Settings settings = small(kNever);
  settings.reinforce.writing.after_step =
      settings.ppo.writing.after_step = [&](const Store& target) {
        EXPECT_EQ(&target, &identity.theta);
        seen.push_back(fingerprint(target));
      };
  identity.train(task, GetParam(), settings);
  // A step an update, or one for each of two minibatches in four epochs.
  ASSERT_EQ(seen.size(), GetParam() == Trainer::kPpo ? 4U * 4 * 2 : 4U);
  EXPECT_EQ(seen.back(), fingerprint(identity.theta));
  EXPECT_NE(seen.front(), seen.back());
}

TEST_P(Trainers, ChangeNothingWhereTheTargetIsReachedAlready) {
  const Environment task = BalanceTask();
  Identity identity(task);
  const Sha256Digest before = fingerprint(identity.theta);
  const Learned learned =
      identity.train(task, GetParam(), small({.target = 1, .episodes = 4, .updates = 10}));
  EXPECT_EQ(learned.updates, 0U);
  EXPECT_EQ(learned.stop, Stop::kTargetReached);
  EXPECT_EQ(fingerprint(identity.theta), before);
}

TEST_P(Trainers, TellOfTheWayInTheCurve) {
  const Environment task = BalanceTask();
  Identity identity(task);
  const Learned learned = identity.train(task, GetParam(), small(kNever));
  ASSERT_EQ(learned.curve.size(), 5U);
  EXPECT_EQ(learned.curve[0].kl_start, 0);
  EXPECT_GT(learned.curve[4].kl_start, learned.curve[1].kl_start);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(learned.curve[i].samples > 0, i > 0);
    EXPECT_GT(learned.curve[i].entropy, 0.4);
    EXPECT_LE(learned.curve[i].entropy, std::log(2.0));
  }
}

// The identity is frozen, so a write to it would throw; its bytes are read back besides.
TEST_P(Trainers, MovePhiAndNotOneBitOfTheta) {
  const Environment task = BalanceTask();
  Identity identity(task);
  const Sha256Digest theta = identity.ledger.freeze(identity.theta);
  const Tensor probes = Rng(9).stream("probes").normal({64, task.width()}, Dtype::kF32);
  const Tensor before = nn::evaluate(identity.policy, probes);

  Ledger ledger;
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, identity.policy, policy_behavior());
  ledger.commit(lora->init(Rng(1).stream("lora")));
  const Sha256Digest fresh = fingerprint(phi);
  rbl::Attached adapted = rbl::attach(identity.policy, lora);
  train(ledger, phi, adapted, task, GetParam(), small(kNever), "adapt", Rng(1).stream("adapt"));

  EXPECT_NE(fingerprint(phi), fresh);
  EXPECT_FALSE(rbl::same_bits(nn::evaluate(adapted, probes), before));
  rbl::detach(std::move(adapted));
  EXPECT_EQ(fingerprint(identity.theta), theta);
  EXPECT_TRUE(rbl::same_bits(nn::evaluate(identity.policy, probes), before));
}

TEST_P(Trainers, AreRefusedAFrozenTarget) {
  const Environment task = BalanceTask();
  Identity identity(task);
  identity.ledger.freeze(identity.theta);
  EXPECT_THROW(identity.train(task, GetParam(), small(kNever)), FrozenError);
}

TEST_P(Trainers, WriteThePolicyAsPolicyGradientAndTheCriticAsAdam) {
  const Environment task = BalanceTask();
  Identity identity(task);
  Settings settings = small(kNever);
  settings.reinforce.baseline = Baseline::kValue;
  identity.train(task, GetParam(), settings);
  LedgerReader reader = identity.ledger.read();
  std::size_t policy = 0, critic = 0;
  while (reader.next()) {
    const Record record = reader.record();
    if (record.reason.empty() || record.reason == "init") continue;
    const bool mine = record.store == "theta" || record.store == "run.policy";
    EXPECT_EQ(record.reason, mine ? "policy-gradient" : "adam") << record.where();
    ++(mine ? policy : critic);
  }
  EXPECT_GT(policy, 0U);
  EXPECT_GT(critic, 0U);
}

TEST_P(Trainers, LearnTheSameBitsWithOneAndTwoThreads) {
  const std::size_t before = threads();
  const Environment task = GridWorld(GridWorld::kGoalA);
  std::vector<Sha256Digest> digests;
  std::vector<double> returns;
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}}) {
    set_threads(count);
    Identity identity(task);
    returns.push_back(identity.train(task, GetParam(), small(kNever)).evaluation);
    digests.push_back(fingerprint(identity.theta));
  }
  set_threads(before);
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_EQ(returns[0], returns[1]);
}

TEST_P(Trainers, LearnTheSameBitsOnEverySimdTarget) {
  const Environment task = BalanceTask();
  std::vector<Sha256Digest> digests;
  for_each_simd([&] {
    Identity identity(task);
    identity.train(task, GetParam(), small(kNever));
    digests.push_back(fingerprint(identity.theta));
    EXPECT_EQ(digests.back(), digests.front());
  });
  EXPECT_FALSE(digests.empty());
}

INSTANTIATE_TEST_SUITE_P(Both, Trainers, testing::Values(Trainer::kReinforce, Trainer::kPpo),
                         [](const auto& info) { return std::string(trainer_name(info.param)); });

// -------------------------------------------------------------------------------------------------

// A bandit that always pays for the same one of three actions. The gradient of the expected reward
// by the logits is p[a] (r[a] - sum of p r); a step of plain descent at rate 1 takes it, up to the
// noise of the batch.
TEST(Reinforce, StepsAlongTheGradientOfTheExpectedReward) {
  const std::vector<float> x = {1};
  const std::vector<std::int32_t> label = {2};
  const Labelled one = {Tensor::from<float>(x, {1, 1}), Tensor::from<std::int32_t>(label, {1})};
  for (const Baseline baseline : {Baseline::kOthers, Baseline::kValue}) {
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const nn::Mlp policy(theta, {.sizes = {1, 3}});
    ledger.commit(policy.init(Rng(4).stream("init")));
    const Tensor logits = nn::evaluate(policy, one.x);
    const Tensor log_p = rbl::log_probabilities(logits);
    const std::vector<float> before(theta.at("layer.0.bias").values<float>().begin(),
                                    theta.at("layer.0.bias").values<float>().end());
    reinforce(ledger, theta, policy, Bandit(one, 3),
              {.optimizer = rbl::sgd({.lr = 1}),
               .episodes = 20000,
               .baseline = baseline,
               .standardize = false,
               .goal = {.target = 2, .episodes = 1, .every = 1, .updates = 1}},
              "run", Rng(4).stream("run"));
    const double expected = std::exp(log_p.values<double>()[2]);
    for (std::size_t a = 0; a < 3; ++a) {
      const double p = std::exp(log_p.values<double>()[a]);
      const double slope = p * ((a == 2 ? 1 : 0) - expected);
      EXPECT_NEAR(theta.at("layer.0.bias").values<float>()[a] - before[a], slope, 0.01) << a;
    }
  }
}

TEST(Reinforce, LearnsWithAValueNetworkForItsBaseline) {
  const Environment task = BalanceTask();
  Identity identity(task);
  Goal goal = kNever;
  goal.updates = 20;
  Settings settings = small(goal);
  settings.reinforce.baseline = Baseline::kValue;
  settings.reinforce.critic = {.adam = {.lr = 1e-2}, .scale = 50};
  const Learned learned = identity.train(task, Trainer::kReinforce, settings);
  EXPECT_GT(learned.evaluation, 3 * learned.start);
}

TEST(Critic, ComesToExpectTheReturns) {
  Ledger ledger;
  Critic critic(ledger, "value", 2, {.hidden = {16}, .adam = {.lr = 1e-2}, .scale = 10},
                Rng(1).stream("value"));
  const Tensor x = Rng(2).stream("x").normal({64, 2}, Dtype::kF32);
  std::vector<double> wanted;
  for (std::size_t i = 0; i < 64; ++i) {
    wanted.push_back(20 + 5 * static_cast<double>(x.values<float>()[2 * i]));
  }
  TensorBuilder targets({64}, Dtype::kF32);
  for (std::size_t i = 0; i < 64; ++i) targets.values<float>()[i] = static_cast<float>(wanted[i]);
  const Tensor built = std::move(targets).build();
  for (std::size_t step = 0; step < 500; ++step) critic.fit(x, built);
  const std::vector<double> got = critic.values(x);
  double error = 0;
  for (std::size_t i = 0; i < 64; ++i) error += std::abs(got[i] - wanted[i]) / 64;
  EXPECT_LT(error, 1);
}

TEST(Ppo, NeedsAMinibatchThatDividesTheBatch) {
  const Environment task = BalanceTask();
  Identity identity(task);
  Settings settings = small(kNever);
  settings.ppo.minibatch = 100;
  EXPECT_MESSAGE(identity.train(task, Trainer::kPpo, settings), Error,
                 "ppo: a minibatch of 100 rows does not divide a batch of 8 x 64");
}

}  // namespace
}  // namespace palinode::experiments::policy
