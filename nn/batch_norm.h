// BatchNorm: each channel to mean 0 and variance 1 over the batch and, in images, over all places;
// times gamma, plus beta (Ioffe and Szegedy, arXiv:1502.03167).
//
// In train mode with the statistics of the batch, which also move the running ones:
//   running <- (1 - momentum) * running + momentum * batch's, the variance unbiased there
// (PyTorch's rule). In eval mode with the running ones.
#pragma once

#include <cstddef>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

struct BatchNormConfig {
  std::size_t channels = 0;
  double eps = 1e-5;
  double momentum = 0.1;
};

// Reads `name.weight` (gamma) and `name.bias` (beta) [channels] from its store, and
// `name.running_mean` and `name.running_var` [channels] from a store with the role buffer, whose
// new values the run collects (Run::add_buffers).
class BatchNorm {
 public:
  // Throws NameError unless the second store has the role buffer.
  BatchNorm(const Store& store, const Store& buffers, std::string name,
            const BatchNormConfig& config);

  // x [..., channels], of any rank from 2. In train mode throws FrozenError if either store is
  // frozen: what depends on the batch is not the function that was frozen. A behavior may bring
  // statistics of its own (Seam::buffers), and then gamma and beta may be frozen.
  Var operator()(Run& run, Var x) const;
  void declare(Parameters& parameters) const;

 private:
  void check_training(const Store& buffers) const;

  const Store* store_;
  const Store* buffers_;
  std::string name_, weight_, bias_, mean_, var_;
  BatchNormConfig config_;
};

}  // namespace palinode::nn
