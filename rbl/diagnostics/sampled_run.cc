#include "rbl/diagnostics/sampled_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/op_spec.h"
#include "nn/sampling.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

// Keeps the input of one layer, and passes every output through.
class Capture : public nn::Seam {
 public:
  Capture(std::string_view site, Tensor& seen) : site_(site), seen_(&seen) {}
  Var at(nn::Run&, std::string_view site, Var input, Var output) const override {
    if (site == site_) *seen_ = input.value();
    return output;
  }
  Sha256Digest key() const override { return sha256("capture"); }

 private:
  std::string_view site_;
  Tensor* seen_;
};

double entropy(const Tensor& log_p) {
  const std::span<const double> l = log_p.values<double>();
  std::vector<double> p(l.size());
  kernels::exp(l, p);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = p[i] == 0 ? 0 : -(p[i] * l[i]);
  return kernels::sum<double>(p);
}

// The mean of the rows of [rows, width], in f64.
std::vector<double> mean_row(const Tensor& x) {
  const Tensor wide = x.compact().to(Dtype::kF64);
  const std::size_t width = wide.shape().last();
  const std::size_t rows = wide.elements() / width;
  std::vector<double> mean(width);
  kernels::column_sums<double>(wide.values<double>(), rows, width, mean);
  for (double& value : mean) value = value / static_cast<double>(rows);
  return mean;
}

}  // namespace

Tensor site_input(const nn::Model& function, std::string_view site, const Tensor& x) {
  Tensor seen;
  const Capture capture(site, seen);
  Tape tape;
  nn::Run run(tape, &capture);
  function.forward(run, tape.constant(x));
  if (seen.empty()) throw NameError(fmt::format("site_input: the function has no site {}", site));
  return seen;
}

Tensor sampled_outputs(const Tensor& log_p, std::size_t draws, const Rng& rng) {
  if (log_p.shape().rank() != 2 || log_p.empty() || draws == 0) {
    throw ShapeError(fmt::format("sampled_outputs: {} draws from {}; needs [probes, classes]",
                                 draws, log_p.describe()));
  }
  const std::size_t rows = log_p.shape()[0], classes = log_p.shape()[1];
  std::vector<double> p(log_p.elements());
  kernels::exp(log_p.values<double>(), p);
  std::vector<double> counts(p.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<double> row = std::span<double>(p).subspan(i * classes, classes);
    for (std::size_t j = 1; j < classes; ++j) row[j] = row[j - 1] + row[j];
    if (!(row.back() > 0)) {
      throw NonFiniteError(fmt::format("sampled_outputs: row {} is no distribution", i));
    }
    const Tensor u = rng.stream(i).uniform({draws}, Dtype::kF64, 0, 1);
    for (const double share : u.values<double>()) {
      const auto found = std::ranges::upper_bound(row, share * row.back());
      const auto place = static_cast<std::size_t>(found - row.begin());
      counts[i * classes + std::min(place, classes - 1)] += 1;
    }
  }
  for (double& count : counts) count = count / static_cast<double>(draws);
  return filled<double>(log_p.shape(), [&](std::span<double> out) { kernels::log(counts, out); });
}

SampledRun sampled_run(const nn::Model& function, const Tensor& prompts,
                       const SampledRunConfig& config, const Rng& rng) {
  if (prompts.shape().rank() != 2 || prompts.empty() || config.tokens == 0 ||
      !(config.temperature > 0)) {
    throw ShapeError(fmt::format(
        "sampled_run: {} tokens at temperature {} after prompts {}; needs [probes, time] and "
        "positive numbers",
        config.tokens, config.temperature, prompts.describe()));
  }
  const Tensor compact = prompts.compact();
  const std::size_t probes = prompts.shape()[0], time = prompts.shape()[1];
  SampledRun result;
  std::vector<double> hidden;
  for (std::size_t i = 0; i < probes; ++i) {
    const Rng stream = rng.stream(i);
    const auto prompt = compact.values<std::int32_t>().subspan(i * time, time);
    std::vector<std::int32_t> tokens(prompt.begin(), prompt.end());
    const auto text = [&] { return Tensor::from<std::int32_t>(tokens, {1, tokens.size()}); };
    double total = 0;
    for (std::size_t k = 0; k < config.tokens; ++k) {
      const Tensor logits = nn::evaluate(function, text());
      const Tensor last = logits.rows(tokens.size() - 1, tokens.size()).compact();
      const Tensor wide = last.to(Dtype::kF64);
      const Tensor scaled = filled<double>(wide.shape(), [&](std::span<double> out) {
        for (std::size_t j = 0; j < out.size(); ++j) {
          out[j] = wide.values<double>()[j] / config.temperature;
        }
      });
      total = total + entropy(log_probabilities(scaled));
      tokens.push_back(nn::sample(last, {.temperature = config.temperature}, stream.uniform(k)));
    }
    result.entropy.push_back(total / static_cast<double>(config.tokens));
    const std::vector<double> state = mean_row(site_input(function, config.head_site, text()));
    hidden.insert(hidden.end(), state.begin(), state.end());
  }
  result.hidden = Tensor::from<double>(hidden, {probes, hidden.size() / probes});
  return result;
}

}  // namespace palinode::rbl
