// Critic: a value network with a store of its own, which estimates the return from an observation.
// The policy never reads it, so it is no part of theta or phi.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nn/mlp.h"
#include "optim/adam.h"
#include "tensor/ledger.h"

namespace palinode::experiments::policy {

struct CriticConfig {
  std::vector<std::size_t> hidden = {64};
  optim::AdamConfig adam = {.lr = 1e-3};
  double scale = 1;  // of values: the network estimates value / scale
};

class Critic {
 public:
  // Opens the stores "<name>" and "<name>.adam", both with the role optimizer: training state.
  Critic(Ledger& ledger, const std::string& name, std::size_t width, const CriticConfig& config,
         const Rng& stream);

  // observations f32 [rows, width] -> [rows]
  std::vector<double> values(const Tensor& observations) const;
  // One step towards `targets` f32 [rows] by their mean squared error.
  void fit(const Tensor& observations, const Tensor& targets);

 private:
  Ledger* ledger_;
  double scale_;
  std::uint64_t seed_;
  nn::Mlp network_;
  optim::Adam adam_;
};

}  // namespace palinode::experiments::policy
