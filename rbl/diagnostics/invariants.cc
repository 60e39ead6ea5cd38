#include "rbl/diagnostics/invariants.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/shaping.h"

namespace palinode::rbl {
namespace {

// The number of threads of before, whatever happens in between.
class ThreadsRestored {
 public:
  ThreadsRestored() : before_(threads()) {}
  ~ThreadsRestored() { set_threads(before_); }
  ThreadsRestored(const ThreadsRestored&) = delete;
  ThreadsRestored& operator=(const ThreadsRestored&) = delete;

 private:
  std::size_t before_;
};

bool in_bounds(double kl, double js, bool outputs_equal) {
  if (outputs_equal && (kl != 0 || js != 0)) return false;
  return kl >= 0 && js >= 0 && js <= kLn2 + kJsSlack;  // false for NaN
}

}  // namespace

bool divergences_hold(const Divergence& kl, const Divergence& js, bool outputs_equal) {
  if (kl.per_input.size() != js.per_input.size()) return false;
  for (std::size_t i = 0; i < kl.per_input.size(); ++i) {
    if (!in_bounds(kl.per_input[i], js.per_input[i], outputs_equal)) return false;
  }
  return in_bounds(kl.mean, js.mean, outputs_equal);
}

void check_divergences(const Divergence& kl, const Divergence& js, bool outputs_equal) {
  PALINODE_ASSERT(divergences_hold(kl, js, outputs_equal));
}

Tensor evaluate_in_batches(const nn::Model& function, const Tensor& probes, std::size_t batch) {
  const std::size_t count = probes.shape()[0];
  if (batch == 0 || count == 0) throw ShapeError("evaluate: needs probes in batches of at least 1");
  std::vector<Tensor> parts;
  for (std::size_t begin = 0; begin < count; begin += batch) {
    const Tensor x = probes.rows(begin, std::min(count, begin + batch));
    parts.push_back(nn::evaluate(function, x.compact()));
  }
  return concat(parts, 0);
}

double noise_floor(const nn::Model& function, const Tensor& probes,
                   std::span<const std::size_t> batches, std::span<const std::size_t> counts) {
  const Tensor first = log_probabilities(evaluate_in_batches(function, probes, probes.shape()[0]));
  const ThreadsRestored restored;
  double worst = 0;
  for (const std::size_t count : counts) {
    set_threads(count);
    for (const std::size_t batch : batches) {
      const Tensor again = log_probabilities(evaluate_in_batches(function, probes, batch));
      for (const double d : kl_divergence(first, again).per_input) worst = std::max(worst, d);
    }
  }
  return worst;
}

}  // namespace palinode::rbl
