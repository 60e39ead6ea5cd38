// REINFORCE (Williams 1992) on whole episodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "experiments/policy/critic.h"
#include "experiments/policy/learning.h"

namespace palinode::experiments::policy {

// What the reward to go is compared with.
enum class Baseline : std::uint8_t {
  kOthers,  // the mean of the batch's other episodes at the same step; nothing to keep
  kValue,   // a value network (critic.h), trained on the rewards to go
};

struct ReinforceConfig {
  rbl::MakeOptimizer optimizer = rbl::adam({});
  std::size_t episodes = 16;  // a batch, and one update
  double gamma = 0.99;
  Baseline baseline = Baseline::kOthers;
  bool standardize = true;   // the batch's advantages
  double entropy_bonus = 0;  // times the mean entropy of the policy
  std::optional<double> max_norm = {};
  CriticConfig critic = {};      // for kValue
  std::size_t critic_steps = 5;  // an update
  Goal goal = {};
  Writing writing = {};
};

// Trains `target`, with which `policy` computes. Opens "<state>.policy" and, for kValue,
// "<state>.value" and "<state>.value.adam". Throws as the ledger and the optimizer do.
Learned reinforce(Ledger& ledger, const Store& target, const nn::Model& policy,
                  const Environment& task, const ReinforceConfig& config, const std::string& state,
                  const Rng& stream);

}  // namespace palinode::experiments::policy
