#include "rbl/diagnostics/ils.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  std::vector<double> products(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) products[i] = a[i] * b[i];
  return kernels::sum<double>(products);
}

double cosine(std::span<const double> a, std::span<const double> b, std::size_t probe) {
  // One root of the product: of equal states it is exact, and the cosine exactly 1.
  const double norms = std::sqrt(dot(a, a) * dot(b, b));
  if (!(norms > 0) || !std::isfinite(norms)) {
    throw NonFiniteError(fmt::format("ils: the hidden state of probe {} has no direction", probe));
  }
  return dot(a, b) / norms;
}

}  // namespace

Ils ils(const Divergence& divergence, double tau) {
  const std::vector<double>& scores = divergence.per_input;
  if (scores.empty()) throw ShapeError("ils: no probes");
  Ils result{.per_probe = scores, .mean = divergence.mean, .tau = tau};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > scores[result.worst]) result.worst = i;
    if (scores[i] > tau) result.flagged.push_back(i);
  }
  result.max = scores[result.worst];
  return result;
}

Ils ils_reference_code(const Divergence& kl, const SampledRun& before, const SampledRun& after,
                       double tau) {
  const std::size_t probes = kl.per_input.size();
  const auto fits = [&](const SampledRun& run) {
    return run.entropy.size() == probes && run.hidden.shape().rank() == 2 &&
           run.hidden.shape()[0] == probes;
  };
  if (!fits(before) || !fits(after) || before.hidden.shape() != after.hidden.shape()) {
    throw ShapeError(fmt::format(
        "ils: {} divergences, {} and {} entropies, hidden states {} and {}; needs one for each "
        "probe",
        probes, before.entropy.size(), after.entropy.size(), before.hidden.describe(),
        after.hidden.describe()));
  }
  const Tensor a = before.hidden.compact().to(Dtype::kF64);
  const Tensor b = after.hidden.compact().to(Dtype::kF64);
  const std::size_t width = a.shape()[1];
  Divergence scores;
  for (std::size_t i = 0; i < probes; ++i) {
    const std::span<const double> x = a.values<double>().subspan(i * width, width);
    const std::span<const double> y = b.values<double>().subspan(i * width, width);
    scores.per_input.push_back(0.5 * kl.per_input[i] +
                               0.3 * std::abs(before.entropy[i] - after.entropy[i]) +
                               0.2 * (1.0 - cosine(x, y, i)));
  }
  scores.mean = kernels::sum<double>(scores.per_input) / static_cast<double>(probes);
  return ils(scores, tau);
}

}  // namespace palinode::rbl
