// Divergences between two models' outputs, and how much of a divergence a rollback took back.
//
// Everything is computed in f64 from the log-softmax of the outputs. Both divergences are sums of
// terms that cannot be negative, so they need no clamp, vanish exactly for equal outputs, and keep
// their digits when the outputs differ in a last bit only. Averages use the canonical sum
// (docs/arithmetic.md, section 3).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tensor/store.h"
#include "tensor/tensor.h"

namespace palinode::rbl {

// f64 log-softmax of logits [inputs, classes].
Tensor log_probabilities(const Tensor& logits);

struct Divergence {
  std::vector<double> per_input;  // nats
  double mean = 0;
};

// KL(p || q) per input: the sum over classes of p * (exp(d) - 1 - d) with d = ln q - ln p, which
// equals the sum of p * (ln p - ln q) since both p and q sum to one. Infinite where q is 0 and p is
// not.
//   log_p, log_q f64 [inputs, classes], inputs > 0
Divergence kl_divergence(const Tensor& log_p, const Tensor& log_q);

// The bound of JS, and what rounding may add to it over a few thousand classes.
inline constexpr double kLn2 = 0x1.62e42fefa39efp-1;
inline constexpr double kJsSlack = 1e-12;

// JS(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2; at most ln 2.
Divergence js_divergence(const Tensor& log_p, const Tensor& log_q);

// Recoverability Factor (paper, definition of RF): 1 - D_rec / D_adapt. Not clamped: negative when
// the attempt made things worse. There is no number when nothing was lost, when less was lost than
// f64 can resolve, when the divergence left is infinite, or when the divergence lost is and some is
// left: a share of infinity says nothing, and the limit 1 would claim that all came back. A number
// next to 1 may round to it, so RF 1 alone is no proof that every bit is back (Recovery::exact).
struct Recoverability {
  enum class State : std::uint8_t { kValue, kUndefined, kBelowFloor };
  State state = State::kUndefined;
  double value = 0;  // meaningful for kValue only
};

std::string_view state_name(Recoverability::State state);  // "value", "undefined", "below-floor"

// An error of 1e-14 in a log-probability, more than log-softmax makes in f64, is a divergence of
// 5e-29 nats.
inline constexpr double kDivergenceFloor = 1e-27;

Recoverability recoverability(double d_adapt, double d_rec);

// How far apart two stores are. Norms are in f64; squares are summed for each parameter in the
// canonical order, and those sums in the order of `a`.
struct Distance {
  double l2 = 0;       // ||b - a||
  double norm = 0;     // ||a||
  double largest = 0;  // of all |b - a|
  std::uint64_t words = 0, words_changed = 0;
};

// Throws NameError or ShapeError unless both have the same entries.
Distance distance(const Store& a, const Store& b);

// Parameters whose bits differ between two stores with the same entries. Throws NameError or
// ShapeError otherwise.
std::uint64_t words_changed(const Store& a, const Store& b);

// ||b - a|| / ||a|| over all parameters, in f64.
double relative_distance(const Store& a, const Store& b);

// The share of inputs whose most likely class differs.
double top1_changed(const Tensor& logits_a, const Tensor& logits_b);

// The share of inputs whose most likely class is the label.
double accuracy(const Tensor& logits, const Tensor& labels);

bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace palinode::rbl
