#include "experiments/policy/tasks.h"

#include <array>

#include "experiments/environments/bandit.h"
#include "experiments/environments/cartpole.h"
#include "experiments/environments/grid_world.h"

namespace palinode::experiments::policy {
namespace {

constexpr std::array<std::string_view, 8> kPrompts = {
    "It was a", "Elinor w", "She had ", "Mr. Elto", "My dear ", "The youn", "Captain ", "Emma cou"};

// Learning rates of the policy.
struct Rates {
  double reinforce, ppo;
};

Settings at_rates(Settings settings, const Rates& rates) {
  settings.reinforce.optimizer = rbl::adam({.lr = rates.reinforce});
  settings.ppo.optimizer = rbl::adam({.lr = rates.ppo});
  return settings;
}

Settings with_entropy(Settings settings, double reinforce, double ppo) {
  settings.reinforce.entropy_bonus = reinforce;
  settings.ppo.entropy_bonus = ppo;
  return settings;
}

Settings with_goal(Settings settings, const Goal& goal) {
  settings.reinforce.goal = settings.ppo.goal = goal;
  return settings;
}

nn::MlpConfig network(const Environment& task) {
  return {.sizes = {task.width(), 64, task.actions()}, .precision = Precision::kFast};
}

PolicyTask cartpole(std::string name, std::string what, const BalanceTask::Config& changed,
                    double target) {
  // Long trajectories and an estimate that hardly trusts the critic: with shorter ones PPO learns
  // to run to where the cart should stand, and falls there.
  const Settings usual = {.reinforce = {.episodes = 16, .gamma = 0.99},
                          .ppo = {.seats = 16,
                                  .steps = 500,
                                  .epochs = 4,
                                  .minibatch = 2000,
                                  .gamma = 0.995,
                                  .lambda = 0.99,
                                  .critic = {.adam = {.lr = 3e-3}, .scale = 50}}};
  const Settings first = with_goal(usual, {.target = 490, .episodes = 64, .every = 5});
  const Settings second = with_goal(usual, {.target = target, .episodes = 64, .every = 5});
  const Environment task = BalanceTask();
  return {std::move(name),
          std::move(what),
          task,
          BalanceTask(changed),
          network(task),
          at_rates(first, {1e-2, 2e-3}),
          at_rates(with_entropy(second, 0.01, 0), {1e-2, 2e-3}),
          at_rates(with_entropy(second, 0.01, 0), {1e-2, 4e-3})};
}

PolicyTask grid() {
  const Settings usual = with_goal({.reinforce = {.episodes = 32, .gamma = 0.95},
                                    .ppo = {.seats = 32,
                                            .steps = 32,
                                            .epochs = 4,
                                            .minibatch = 256,
                                            .gamma = 0.95,
                                            .lambda = 0.95}},
                                   {.target = 0.86, .episodes = 128, .every = 5, .updates = 600});
  const Environment task = GridWorld(GridWorld::kGoalA);
  return {"grid-goal",
          "another goal",
          task,
          GridWorld(GridWorld::kGoalB),
          network(task),
          at_rates(with_entropy(usual, 0.01, 0.01), {1e-2, 3e-3}),
          at_rates(with_entropy(usual, 0.04, 0.04), {1e-2, 3e-3}),
          at_rates(with_entropy(usual, 0.04, 0.04), {1e-2, 3e-3})};
}

PolicyTask bandit(const Digits& digits) {
  const Settings usual =
      with_goal({.reinforce = {.episodes = 64, .standardize = false},
                 .ppo = {.seats = 256, .steps = 1, .epochs = 4, .minibatch = 64}},
                {.target = 0.95, .episodes = 512, .every = 10, .updates = 1500});
  const Environment task = Bandit(digits.train, 10);
  return {"digits-bandit",
          "turned images, other labels",
          task,
          Bandit(digits.shifted_train, 10),
          network(task),
          at_rates(with_entropy(usual, 0.05, 0.02), {3e-3, 2e-3}),
          at_rates(with_entropy(usual, 0.2, 0.1), {3e-3, 2e-3}),
          at_rates(with_entropy(usual, 0.2, 0.1), {4e-3, 4e-3})};
}

}  // namespace

std::string_view trainer_name(Trainer trainer) {
  return trainer == Trainer::kPpo ? "ppo" : "reinforce";
}

std::vector<PolicyTask> policy_tasks(const Digits& digits) {
  std::vector<PolicyTask> tasks;
  tasks.push_back(
      cartpole("cartpole-crossed", "the two pushes exchanged", {.physics = {.force = -10}}, 475));
  tasks.push_back(cartpole("cartpole-stand", "to stand 1 m to the right", {.stand = 1.0}, 400));
  tasks.push_back(grid());
  tasks.push_back(bandit(digits));
  return tasks;
}

rbl::BehaviorConfig policy_behavior() {
  return {.kind = "lora", .settings = {{"rank", 8}, {"alpha", 16}}};
}

Learned train(Ledger& ledger, const Store& target, const nn::Model& policy, const Environment& task,
              Trainer trainer, const Settings& settings, const std::string& state,
              const Rng& stream) {
  if (trainer == Trainer::kPpo) {
    return ppo(ledger, target, policy, task, settings.ppo, state, stream);
  }
  return reinforce(ledger, target, policy, task, settings.reinforce, state, stream);
}

TextTask vowels_task(const Tokenizer& tokenizer) {
  return {.prompts = encoded_prompts(tokenizer, kPrompts),
          .length = 16,
          .reward = share_of(tokenizer, "aeiou")};
}

TextConfig vowels_config(Role locus) {
  const double lr = locus == Role::kBehavior ? 1e-3 : 2e-4;
  return {.optimizer = rbl::adam({.lr = lr}),
          .samples = 4,
          .goal = {.target = 0.45, .episodes = 64, .every = 2, .updates = 200}};
}

}  // namespace palinode::experiments::policy
