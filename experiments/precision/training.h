// What rounding alone does to a training: the same network, first weights, batches and optimizer,
// computed in other arithmetics. Step by step they part; when is what they part by as much as the
// training itself changed?
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace palinode::experiments::precision {

// How a step is computed.
//   canonical   f32, functions correctly rounded, the product of docs/arithmetic.md: what others
//               are compared with
//   fast        the same with the fast tanh
//   kahan       the same with the lost part of each update kept and added to the next (Kahan 1965)
//   f64         weights, products and functions in f64
//   bf16, f16   weights rounded to 16 bits after every step
//   openblas    products by OpenBLAS, where it is there: outside the same-bits contract
struct RoundingPoint {
  std::string arithmetic;
  std::uint64_t seed = 0, step = 0;
  double loss = 0;           // on held-out digits, nats
  double score = 0;          // share of held-out digits named right
  double words_changed = 0;  // share of weights whose f32 bits are not the canonical run's
  double distance = 0;       // ||w - w_canonical|| / ||w_canonical - w_0||: 1 is a whole training
  double kl = 0;             // KL(f_canonical || f) on the probes, nats
  // R18 with another rounding: 1 - KL(f_canonical || f) / KL(f_canonical || f_0), what of the
  // trained function comes back when it is trained again from its seed in this arithmetic.
  double recoverability = 0;
};

struct RoundingConfig {
  std::vector<std::uint64_t> steps = {1, 3, 10, 30, 100, 300, 1000, 3000};  // ascending
  std::uint64_t seeds = 3;
  double lr = 0.1;  // of SGD, batches of 32
};

// Names of all arithmetics, canonical first; openblas only where it can be loaded.
std::vector<std::string_view> rounding_arithmetics();

std::vector<RoundingPoint> measure_rounding(const RoundingConfig& config);

// {"steps", "seeds", "points": [...], "limits": for each arithmetic the first step at which the
// mean recoverability is below 0.999999, 0.999, 0.9, or null}.
nlohmann::ordered_json rounding_json(const RoundingConfig& config,
                                     const std::vector<RoundingPoint>& points);

}  // namespace palinode::experiments::precision
