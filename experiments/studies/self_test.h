// The instruments of the studies, tried on what is known in closed form. E0 runs this before
// anything else is believed.
#pragma once

#include <functional>
#include <string>

#include "rbl/metrics.h"
#include "tensor/rng.h"

namespace palinode::experiments {

// What the studies measure with, as arguments, so that a test can plant a fault in any of them.
struct Instruments {
  std::function<rbl::Divergence(const Tensor& log_p, const Tensor& log_q)> kl = rbl::kl_divergence;
  std::function<rbl::Divergence(const Tensor& log_p, const Tensor& log_q)> js = rbl::js_divergence;
  std::function<rbl::Recoverability(double d_adapt, double d_rec)> rf = rbl::recoverability;
  std::function<Tensor(const Tensor& logits)> log_p = rbl::log_probabilities;
  // The randomness of a seed for a purpose.
  std::function<double(std::uint64_t seed, const char* purpose, std::uint64_t index)> normal =
      [](std::uint64_t seed, const char* purpose, std::uint64_t index) {
        return Rng(seed).stream(purpose).normal(index);
      };
};

// What is wrong with them, or nothing:
//   direction   KL((1/2, 1/2) || (1/4, 3/4)) = ln(4/3) / 2, the other way round it is another
//   number base        that number is in nats; JS of disjoint distributions is ln 2 averaging   a
//   mean over inputs of divergences, not the divergence of means zero        a function against
//   itself is at 0 exactly, and RF is then undefined range       RF is not clamped: twice the loss
//   left is -1 seeds       two seeds, and two purposes of one seed, share no draw
std::string instrument_fault(const Instruments& instruments = {});

}  // namespace palinode::experiments
