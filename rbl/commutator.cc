#include "rbl/commutator.h"

#include <algorithm>
#include <cmath>

#include "rbl/attach.h"

namespace palinode::rbl {
namespace {

// `second` over `first`.
Tensor stacked(const nn::Model& model, const SeamPointer& first, const SeamPointer& second,
               const Tensor& probes) {
  const Attached inner = attach(model, first);
  return nn::evaluate(attach(inner, second), probes);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const Tensor x = a.compact().to(Dtype::kF64), y = b.compact().to(Dtype::kF64);
  double largest = 0;
  for (std::size_t i = 0; i < x.elements(); ++i) {
    largest = std::max(largest, std::abs(x.values<double>()[i] - y.values<double>()[i]));
  }
  return largest;
}

}  // namespace

Commutator commutator(const nn::Model& model, const SeamPointer& a, const SeamPointer& b,
                      const Tensor& probes) {
  const Tensor a_then_b = stacked(model, a, b, probes);
  const Tensor b_then_a = stacked(model, b, a, probes);
  const Tensor p = log_probabilities(a_then_b), q = log_probabilities(b_then_a);
  const Tensor plain = log_probabilities(nn::evaluate(model, probes));
  return {.kl = kl_divergence(p, q),
          .js = js_divergence(p, q),
          .largest_logit = largest_difference(a_then_b, b_then_a),
          .commute = same_bits(a_then_b, b_then_a),
          .together_kl = kl_divergence(plain, p).mean};
}

}  // namespace palinode::rbl
