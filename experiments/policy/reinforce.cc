#include "experiments/policy/reinforce.h"

#include "experiments/policy/advantage.h"
#include "nn/loss.h"

namespace palinode::experiments::policy {

Learned reinforce(Ledger& ledger, const Store& target, const nn::Model& policy,
                  const Environment& task, const ReinforceConfig& config, const std::string& state,
                  const Rng& stream) {
  Learner learner(ledger, target, config.optimizer, config.max_norm, config.writing, state, stream);
  std::optional<Critic> critic;
  if (config.baseline == Baseline::kValue) {
    critic.emplace(ledger, state + ".value", task.width(), config.critic, stream.stream("value"));
  }
  Players players(task, config.episodes, stream.stream("episodes"));

  const auto update = [&](std::uint64_t) -> Batch {
    const Rollout played = players.play_episodes(policy);
    const std::vector<double> to_go = rewards_to_go(played, config.gamma);
    std::vector<double> advantages;
    if (critic) {
      const std::vector<double> expected = critic->values(played.observations);
      for (std::size_t i = 0; i < to_go.size(); ++i) advantages.push_back(to_go[i] - expected[i]);
      const Tensor targets = rounded(to_go);
      for (std::size_t i = 0; i < config.critic_steps; ++i) {
        critic->fit(played.observations, targets);
      }
    } else {
      advantages = against_others(played, to_go);
    }
    Tape tape;
    nn::Run run(tape);
    const Var logits = policy.forward(run, tape.constant(played.observations));
    learner.step(nn::policy_gradient(
        logits, played.actions, config.standardize ? standardized(advantages) : rounded(advantages),
        config.entropy_bonus));
    return {played.mean_return(), played.entropy, played.rows()};
  };
  const Rng episodes = stream.stream("evaluation");
  const auto evaluation = [&] { return evaluate(policy, task, config.goal.episodes, episodes); };
  return learn(policy, config.goal, kStates, evaluation, update);
}

}  // namespace palinode::experiments::policy
