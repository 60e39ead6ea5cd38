// The tasks of the studies of policy gradient: what an identity learns, what an adaptation learns
// over it, and settings with which both trainers do so on theta and on phi.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/digits.h"
#include "experiments/policy/ppo.h"
#include "experiments/policy/reinforce.h"
#include "experiments/policy/text.h"
#include "nn/mlp.h"
#include "rbl/behavior.h"

namespace palinode::experiments::policy {

enum class Trainer : std::uint8_t { kReinforce, kPpo };
std::string_view trainer_name(Trainer trainer);  // "reinforce", "ppo"

struct Settings {
  ReinforceConfig reinforce;
  PpoConfig ppo;
};

struct PolicyTask {
  std::string name;
  std::string adaptation_is;  // one line, for people
  Environment identity, adaptation;
  nn::MlpConfig policy;
  // For the identity, and for an adaptation of theta and of phi, whose goals are equal.
  Settings on_identity, on_theta, on_phi;
};

// In this order, with targets for the mean return of the identity and of the adaptation:
//   cartpole-crossed   490, 475   the two pushes are exchanged
//   cartpole-stand     490, 400   the cart should stand 1 m to the right of the middle
//   grid-goal          0.86, 0.86 goal B in the place of goal A
//   digits-bandit      0.95, 0.95 turned images, other labels (digits.h)
// The digits outlive the tasks.
std::vector<PolicyTask> policy_tasks(const Digits& digits);

// What a phi of these tasks is: LoRA of rank 8.
rbl::BehaviorConfig policy_behavior();

// Trains `target`, with which `policy` computes, by one of the two.
Learned train(Ledger& ledger, const Store& target, const nn::Model& policy, const Environment& task,
              Trainer trainer, const Settings& settings, const std::string& state,
              const Rng& stream);

// Eight beginnings of Austen's kind, to be continued by 16 tokens; the reward is the share of
// vowels (a, e, i, o, u), 0.28 for the language identity (experiments/identity). The target is
// 0.45.
TextTask vowels_task(const Tokenizer& tokenizer);
// For the theta of a copy (Role::kIdentity) or a phi (Role::kBehavior).
TextConfig vowels_config(Role locus);

}  // namespace palinode::experiments::policy
