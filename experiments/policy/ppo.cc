#include "experiments/policy/ppo.h"

#include <fmt/format.h>

#include "autograd/ops.h"
#include "experiments/policy/advantage.h"
#include "experiments/policy/losses.h"
#include "nn/loss.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::experiments::policy {
namespace {

// What the epochs read: the batch, or some rows of it.
struct Sample {
  Tensor observations, actions, log_p, advantages, returns;

  Sample rows(const Tensor& places) const {
    return {take(observations, places), take(actions, places), take(log_p, places),
            take(advantages, places), take(returns, places)};
  }
};

Sample estimated(const Rollout& played, const Critic& critic, const PpoConfig& config) {
  const std::vector<double> values = critic.values(played.observations);
  const std::vector<double> advantages = generalized_advantages(
      played, values, critic.values(played.next), config.gamma, config.lambda);
  std::vector<double> returns;
  for (std::size_t i = 0; i < values.size(); ++i) returns.push_back(advantages[i] + values[i]);
  return {played.observations, played.actions, played.log_p, standardized(advantages),
          rounded(returns)};
}

Tensor places_of(std::span<const std::uint32_t> order) {
  TensorBuilder builder({order.size()}, Dtype::kI32);
  std::ranges::copy(order, builder.values<std::int32_t>().begin());
  return std::move(builder).build();
}

}  // namespace

Learned ppo(Ledger& ledger, const Store& target, const nn::Model& policy, const Environment& task,
            const PpoConfig& config, const std::string& state, const Rng& stream) {
  const std::size_t rows = config.seats * config.steps;
  if (config.minibatch == 0 || rows % config.minibatch != 0) {
    throw Error(fmt::format("ppo: a minibatch of {} rows does not divide a batch of {} x {}",
                            config.minibatch, config.seats, config.steps));
  }
  Learner learner(ledger, target, config.optimizer, config.max_norm, config.writing, state, stream);
  Critic critic(ledger, state + ".value", task.width(), config.critic, stream.stream("value"));
  Players players(task, config.seats, stream.stream("episodes"));
  const Rng orders = stream.stream("orders");

  const auto learn_from = [&](const Sample& sample) {
    Tape tape;
    nn::Run run(tape);
    const Var logits = policy.forward(run, tape.constant(sample.observations));
    Var loss = clipped_surrogate(action_log_p(logits, sample.actions), sample.log_p,
                                 sample.advantages, config.clip);
    if (config.entropy_bonus != 0) {
      loss = sub(loss, scale(nn::entropy(logits), config.entropy_bonus));
    }
    learner.step(loss);
    critic.fit(sample.observations, sample.returns);
  };
  const auto update = [&](std::uint64_t number) -> Batch {
    const Rollout played = players.play_steps(policy, config.steps);
    const Sample batch = estimated(played, critic, config);
    for (std::size_t epoch = 0; epoch < config.epochs; ++epoch) {
      if (config.minibatch == rows) {
        learn_from(batch);
        continue;
      }
      const std::vector<std::uint32_t> order =
          orders.stream(number).stream(epoch).permutation(rows);
      for (std::size_t begin = 0; begin < rows; begin += config.minibatch) {
        learn_from(batch.rows(places_of(std::span(order).subspan(begin, config.minibatch))));
      }
    }
    return {played.mean_return(), played.entropy, rows};
  };
  const Rng episodes = stream.stream("evaluation");
  const auto evaluation = [&] { return evaluate(policy, task, config.goal.episodes, episodes); };
  return learn(policy, config.goal, kStates, evaluation, update);
}

}  // namespace palinode::experiments::policy
