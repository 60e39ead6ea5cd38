#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "autograd/op_spec.h"
#include "rbl/diagnostics/worst_case.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

using Tokens = std::vector<std::int32_t>;

class TokenSearch {
 public:
  TokenSearch(const nn::Model& f0, const nn::Model& f1, std::size_t time)
      : f0_(&f0), f1_(&f1), time_(time) {}

  // Mean KL over the rows of each sequence. `all` holds the sequences one after the other.
  std::vector<double> scores(const Tokens& all) {
    constexpr std::size_t kBatch = 256;  // bounds the memory of a large vocabulary
    const std::size_t count = all.size() / time_;
    std::vector<double> result;
    for (std::size_t begin = 0; begin < count; begin += kBatch) {
      const std::size_t size = std::min(kBatch, count - begin);
      const auto part = std::span<const std::int32_t>(all).subspan(begin * time_, size * time_);
      const Tensor x = Tensor::from<std::int32_t>(part, {size, time_});
      const Tensor log_p = log_probabilities(nn::evaluate(*f0_, x));
      const Tensor log_q = log_probabilities(nn::evaluate(*f1_, x));
      const std::vector<double> rows = kl_divergence(log_p, log_q).per_input;
      std::vector<double> means(size);
      kernels::row_means<double>(rows, size, rows.size() / size, means);
      result.insert(result.end(), means.begin(), means.end());
    }
    evaluations_ += count;
    return result;
  }

  // Tries the candidates at one place; whether the sequence has changed.
  bool improve(Tokens& sequence, double& score, std::size_t place, const Tokens& candidates) {
    Tokens tried;
    for (const std::int32_t token : candidates) {
      const std::size_t begin = tried.size();
      tried.insert(tried.end(), sequence.begin(), sequence.end());
      tried[begin + place] = token;
    }
    const std::vector<double> found = scores(tried);
    const auto best = std::ranges::max_element(found);
    if (!(*best > score)) return false;
    score = *best;
    sequence[place] = candidates[static_cast<std::size_t>(best - found.begin())];
    return true;
  }

  std::size_t evaluations() const { return evaluations_; }

 private:
  const nn::Model* f0_;
  const nn::Model* f1_;
  std::size_t time_;
  std::size_t evaluations_ = 0;
};

Tokens candidates_of(const TokenSearchConfig& config, const Rng& stream) {
  Tokens tokens(config.candidates > 0 ? config.candidates : config.vocab);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] =
        static_cast<std::int32_t>(config.candidates > 0 ? stream.below(i, config.vocab) : i);
  }
  return tokens;
}

void check(const Tensor& starts, const TokenSearchConfig& config) {
  if (starts.dtype() != Dtype::kI32) {
    throw DtypeError(fmt::format("worst_tokens: starts are i32, got {}", starts.describe()));
  }
  const Shape& shape = starts.shape();
  if (shape.rank() == 2 && shape[1] > 0 && config.vocab > 0 &&
      shape[0] + config.random_starts > 0) {
    return;
  }
  throw ShapeError(fmt::format(
      "worst_tokens: starts {}, {} random ones, a vocabulary of {}; needs at least one sequence "
      "of at least one token",
      starts.describe(), config.random_starts, config.vocab));
}

}  // namespace

WorstInput worst_tokens(const nn::Model& f0, const nn::Model& f1, const Tensor& starts,
                        const TokenSearchConfig& config, const Rng& rng) {
  check(starts, config);
  const std::size_t time = starts.shape()[1];
  const Tensor given = starts.compact();
  Tokens all(given.values<std::int32_t>().begin(), given.values<std::int32_t>().end());
  const Rng random = rng.stream("start");
  for (std::size_t i = 0; i < config.random_starts * time; ++i) {
    all.push_back(static_cast<std::int32_t>(random.below(i, config.vocab)));
  }
  TokenSearch search(f0, f1, time);
  std::vector<double> scores = search.scores(all);
  WorstInput worst{.input = {}, .best_start = *std::ranges::max_element(scores)};
  Tokens found;
  for (std::size_t s = 0; s < scores.size(); ++s) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(s * time);
    Tokens sequence(begin, begin + static_cast<std::ptrdiff_t>(time));
    const Rng stream = rng.stream("candidates").stream(s);
    for (std::size_t sweep = 0; sweep < config.sweeps; ++sweep) {
      bool changed = false;
      for (std::size_t place = 0; place < time; ++place) {
        const Tokens candidates = candidates_of(config, stream.stream(sweep).stream(place));
        if (search.improve(sequence, scores[s], place, candidates)) changed = true;
      }
      if (!changed && config.candidates == 0) break;
    }
    if (!found.empty() && !(scores[s] > worst.kl)) continue;
    worst.kl = scores[s];
    worst.start = s;
    found = std::move(sequence);
  }
  worst.input = Tensor::from<std::int32_t>(found, {1, time});
  worst.evaluations = search.evaluations();
  return worst;
}

}  // namespace palinode::rbl
