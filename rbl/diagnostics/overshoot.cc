#include "rbl/diagnostics/overshoot.h"

#include <fmt/format.h>

#include <vector>

#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

double cross_entropy(const Tensor& logits, const Tensor& labels) {
  const Shape& shape = logits.shape();
  if (shape.rank() != 2 || shape[0] == 0 || labels.dtype() != Dtype::kI32 ||
      labels.elements() != shape[0]) {
    throw ShapeError(fmt::format("overshoot: outputs {} for labels {}; needs a label i32 a row",
                                 logits.describe(), labels.describe()));
  }
  const Tensor log_p = log_probabilities(logits);
  const Tensor compact = labels.compact();
  std::vector<double> losses;
  for (std::size_t i = 0; i < shape[0]; ++i) {
    const std::int32_t label = compact.values<std::int32_t>()[i];
    if (label < 0 || static_cast<std::size_t>(label) >= shape[1]) {
      throw ShapeError(fmt::format("overshoot: label {} is not in [0, {})", label, shape[1]));
    }
    losses.push_back(-log_p.values<double>()[i * shape[1] + static_cast<std::size_t>(label)]);
  }
  return kernels::sum<double>(losses) / static_cast<double>(losses.size());
}

double change(const LabeledOutputs& set) {
  return cross_entropy(set.recovered, set.labels) - cross_entropy(set.identity, set.labels);
}

}  // namespace

Overshoot overshoot(const LabeledOutputs& adaptation, const LabeledOutputs& held_out,
                    double tolerance) {
  Overshoot result{.adaptation_change = change(adaptation), .held_out_change = change(held_out)};
  result.membership = result.adaptation_change - result.held_out_change;
  if (result.adaptation_change < -tolerance) result.undoing = Undoing::kTooLittle;
  if (result.adaptation_change > tolerance) result.undoing = Undoing::kTooMuch;
  return result;
}

}  // namespace palinode::rbl
