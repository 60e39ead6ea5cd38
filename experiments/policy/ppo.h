// Proximal policy optimization with the clipped surrogate (Schulman et al., arXiv:1707.06347,
// algorithm 1): a batch is played by one policy and learned from in several epochs, with advantages
// by generalized estimation from a value network.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "experiments/policy/critic.h"
#include "experiments/policy/learning.h"

namespace palinode::experiments::policy {

struct PpoConfig {
  rbl::MakeOptimizer optimizer = rbl::adam({});
  std::size_t seats = 8;        // environments
  std::size_t steps = 32;       // of each in a batch, one update
  std::size_t epochs = 10;      // over the batch, each in an order of its own
  std::size_t minibatch = 256;  // rows, a divisor of seats * steps
  double gamma = 0.98;
  double lambda = 0.8;
  double clip = 0.2;
  double entropy_bonus = 0;  // times the mean entropy of the policy
  std::optional<double> max_norm = 0.5;
  CriticConfig critic = {};
  Goal goal = {};
  Writing writing = {};
};

// Trains `target`, with which `policy` computes. Opens "<state>.policy", "<state>.value" and
// "<state>.value.adam". Throws Error for a minibatch that does not divide the batch, and as the
// ledger and the optimizer do.
Learned ppo(Ledger& ledger, const Store& target, const nn::Model& policy, const Environment& task,
            const PpoConfig& config, const std::string& state, const Rng& stream);

}  // namespace palinode::experiments::policy
