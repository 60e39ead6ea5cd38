#include "experiments/precision/rows.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/precision/errors.h"
#include "experiments/precision/highway_math.h"
#include "experiments/precision/row_truth.h"
#include "experiments/precision/sums.h"
#include "experiments/precision/timing.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/softmax.h"
#include "tensor/parallel.h"
#include "tensor/rng.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;
using Out = std::span<float>;

constexpr std::size_t kRows = 256, kCols = 768, kKeys = 128, kDim = 64;
constexpr float kEps = 1e-5F;

// offset + scale * a uniform or normal value.
struct Draw {
  const char* name;
  double offset, scale;
  bool normal;
};
constexpr Draw kDraws[] = {{"uniform", 0, 8, false},
                           {"normal", 0, 1, true},
                           {"positive", 4, 4, false},
                           {"wide", 0, 40, true},
                           {"mean 100 times the deviation", 100, 1, true},
                           {"mean 10000 times the deviation", 10000, 1, true}};

// Of attention's queries, keys and values: scores are sums of 64 products.
constexpr Draw kAttentionDraws[] = {{"uniform", 0, 1, false},
                                    {"normal", 0, 1, true},
                                    {"positive", 0.5, 0.5, false},
                                    {"wide", 0, 3, true}};

std::vector<float> drawn(const Draw& draw, const Rng& rng, std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double value = draw.normal ? rng.normal(i) : 2 * rng.uniform(i) - 1;
    x[i] = static_cast<float>(draw.offset + draw.scale * value);
  }
  return x;
}

std::span<const Draw> draws_of(std::string_view kernel) {
  if (kernel == "attention") return kAttentionDraws;
  return kDraws;
}

struct Operands {
  std::vector<float> x, k, v;  // of attention, x is q
  std::vector<std::int32_t> labels;
};

struct Contestant {
  std::string name;
  bool ours = false;
  std::function<void(const Operands&, Out)> run;
};

struct Subject {
  std::string kernel, shape;
  std::size_t outputs;
  std::function<RowTruth(const Operands&)> truth;
  std::vector<Contestant> contestants;
};

using Row = void (*)(In x, Out y);

std::function<void(const Operands&, Out)> by_row(Row row) {
  return [row](const Operands& o, Out y) {
    for (std::size_t i = 0; i < kRows; ++i) {
      row(In(o.x).subspan(i * kCols, kCols), y.subspan(i * kCols, kCols));
    }
  };
}

float naive_sum(In x) {
  float total = 0;
  for (const float value : x) total += value;
  return total;
}

void divide(Out y) {
  const float total = naive_sum(y);
  for (float& value : y) value /= total;
}

void softmax_by_libm(In x, Out y) {
  const float max = *std::max_element(x.begin(), x.end());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = std::exp(x[i] - max);
  divide(y);
}

void softmax_by_highway(In x, Out y) {
  const float max = *std::max_element(x.begin(), x.end());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] - max;
  highway_math<float>().exp(y.data(), y.data(), y.size());
  divide(y);
}

Subject softmax_subject() {
  return {"softmax",
          "256x768",
          kRows * kCols,
          [](const Operands& o) { return softmax_truth(o.x, kRows, kCols); },
          {{"Palinode", true,
            [](const Operands& o, Out y) { kernels::softmax<float>(o.x, kRows, kCols, y); }},
           {"Highway's exp", false, by_row(softmax_by_highway)},
           {"libm", false, by_row(softmax_by_libm)}}};
}

void two_passes(In x, Out y) {
  const auto n = static_cast<float>(x.size());
  const float mean = naive_sum(x) / n;
  float squares = 0;
  for (const float value : x) squares += (value - mean) * (value - mean);
  const float rstd = 1 / std::sqrt(squares / n + kEps);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) * rstd;
}

// E[x^2] - E[x]^2: what one pass gives, and cancels.
void one_pass(In x, Out y) {
  const auto n = static_cast<float>(x.size());
  float total = 0, squares = 0;
  for (const float value : x) {
    total += value;
    squares += value * value;
  }
  const float mean = total / n;
  const float rstd = 1 / std::sqrt(std::max(0.0F, squares / n - mean * mean) + kEps);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) * rstd;
}

Subject layer_norm_subject() {
  const auto ours = [](const Operands& o, Out y) {
    static const std::vector<float> gamma(kCols, 1), beta(kCols, 0);
    std::vector<float> mean(kRows), rstd(kRows);
    kernels::layer_norm<float>(o.x, kRows, kCols, gamma, beta, kEps, y, mean, rstd);
  };
  return {"layer_norm",
          "256x768",
          kRows * kCols,
          [](const Operands& o) {
            return layer_norm_truth(o.x, kRows, kCols, static_cast<double>(kEps));
          },
          {{"Palinode", true, ours},
           {"two passes", false, by_row(two_passes)},
           {"one pass", false, by_row(one_pass)}}};
}

// -log of the probability, which is far from exact where that is near 1 and infinite where it is 0.
void log_of_softmax(const Operands& o, Out y) {
  std::vector<float> p(kCols);
  for (std::size_t i = 0; i < kRows; ++i) {
    softmax_by_libm(In(o.x).subspan(i * kCols, kCols), p);
    y[i] = -std::log(p[static_cast<std::size_t>(o.labels[i])]);
  }
}

void log_sum_exp(const Operands& o, Out y) {
  for (std::size_t i = 0; i < kRows; ++i) {
    const In x = In(o.x).subspan(i * kCols, kCols);
    const float max = *std::max_element(x.begin(), x.end());
    float total = 0;
    for (const float value : x) total += std::exp(value - max);
    y[i] = std::log(total) - (x[static_cast<std::size_t>(o.labels[i])] - max);
  }
}

Subject cross_entropy_subject() {
  const auto ours = [](const Operands& o, Out y) {
    std::vector<float> p(kRows * kCols);
    kernels::cross_entropy<float>(o.x, kRows, kCols, o.labels, y, p);
  };
  return {"cross_entropy",
          "256x768",
          kRows,
          [](const Operands& o) { return cross_entropy_truth(o.x, kRows, kCols, o.labels); },
          {{"Palinode", true, ours},
           {"log-sum-exp by libm", false, log_sum_exp},
           {"-log(softmax) by libm", false, log_of_softmax}}};
}

constexpr float kScale = 0.125F;  // 1 / sqrt(64)

template <bool kFast>
void our_attention(const Operands& o, Out y) {
  kernels::AttentionShape shape{.batch = 1, .queries = kKeys, .keys = kKeys};
  shape.heads = shape.kv_heads = 1;
  shape.head_dim = kDim;
  shape.fast_exp = kFast;
  std::vector<float> p(shape.p_size());
  kernels::attention<float>(shape, kScale, {o.x, kDim}, {o.k, kDim}, {o.v, kDim}, p, {y, kDim});
}

void plain_attention(const Operands& o, Out y) {
  std::vector<float> scores(kKeys), p(kKeys);
  for (std::size_t i = 0; i < kKeys; ++i) {
    for (std::size_t j = 0; j < kKeys; ++j) {
      float score = 0;
      for (std::size_t d = 0; d < kDim; ++d) score += o.x[i * kDim + d] * o.k[j * kDim + d];
      scores[j] = kScale * score;
    }
    softmax_by_libm(scores, p);
    for (std::size_t d = 0; d < kDim; ++d) {
      float total = 0;
      for (std::size_t j = 0; j < kKeys; ++j) total += p[j] * o.v[j * kDim + d];
      y[i * kDim + d] = total;
    }
  }
}

Subject attention_subject() {
  return {"attention",
          "128 queries and keys of 64",
          kKeys * kDim,
          [](const Operands& o) {
            return attention_truth(o.x, o.k, o.v, kKeys, kDim, static_cast<double>(kScale));
          },
          {{"Palinode", true, our_attention<false>},
           {"Palinode fast", true, our_attention<true>},
           {"plain loops with libm", false, plain_attention}}};
}

Operands operands_of(const Subject& subject, const Draw& draw) {
  const Rng rng = Rng(1).stream("precision").stream(subject.kernel).stream(draw.name);
  Operands o;
  if (subject.kernel == "attention") {
    o.x = drawn(draw, rng.stream("q"), kKeys * kDim);
    o.k = drawn(draw, rng.stream("k"), kKeys * kDim);
    o.v = drawn(draw, rng.stream("v"), kKeys * kDim);
    return o;
  }
  o.x = drawn(draw, rng.stream("x"), kRows * kCols);
  for (std::size_t i = 0; i < kRows; ++i) {
    o.labels.push_back(static_cast<std::int32_t>(rng.stream("labels").below(i, kCols)));
  }
  return o;
}

Json measure_draw(const Subject& subject, const Draw& draw, std::vector<Xxh3>& digests) {
  const Operands operands = operands_of(subject, draw);
  const RowTruth truth = subject.truth(operands);
  std::vector<float> y(subject.outputs);
  Json json = {{"name", draw.name},
               {"bound", json_number(truth.bound)},
               {"bound_of", truth.bound_is_scaled ? "scaled" : "forward"}};
  for (std::size_t c = 0; c < digests.size(); ++c) {
    subject.contestants[c].run(operands, y);
    digests[c].add(In(y));
    Errors forward, scaled;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double error = std::abs(static_cast<double>(y[i]) - truth.exact[i]);
      const double size = std::max(std::abs(truth.exact[i]), 0x1p-126);
      forward.add(error / (size * kUnit));
      scaled.add(error / (std::max(truth.scale[i], 0x1p-126) * kUnit));
    }
    json["contenders"].push_back({{"name", subject.contestants[c].name},
                                  {"forward", forward.json()},
                                  {"scaled", scaled.json()}});
  }
  return json;
}

// The digest of one contestant over all draws, on the SIMD target in use.
std::string digest_of(const Subject& subject, const Contestant& contestant) {
  Xxh3 digest;
  std::vector<float> y(subject.outputs);
  for (const Draw& draw : draws_of(subject.kernel)) {
    contestant.run(operands_of(subject, draw), y);
    digest.add(In(y));
  }
  return hex(digest.finish());
}

Json identities(const Subject& subject, const std::vector<std::string>& digests) {
  const Simd before = active_simd();
  Json rows = Json::array();
  for (const Simd simd : available_simd()) {
    if (simd == before) continue;
    use_simd(simd);
    for (std::size_t c = 0; c < digests.size(); ++c) {
      if (!subject.contestants[c].ours) continue;
      const std::string digest = digest_of(subject, subject.contestants[c]);
      rows.push_back({{"name", subject.contestants[c].name},
                      {"simd", simd_name(simd)},
                      {"inputs", subject.outputs * draws_of(subject.kernel).size()},
                      {"digest", digest},
                      {"same_bits", digest == digests[c]}});
    }
  }
  use_simd(before);
  return rows;
}

Subject subject_named(std::string_view kernel) {
  if (kernel == "softmax") return softmax_subject();
  if (kernel == "layer_norm") return layer_norm_subject();
  if (kernel == "cross_entropy") return cross_entropy_subject();
  PALINODE_ASSERT(kernel == "attention");
  return attention_subject();
}

}  // namespace

Json measure_rows(std::string_view kernel) {
  const Subject subject = subject_named(kernel);
  const std::size_t before = threads();
  set_threads(1);
  Json json = {
      {"kernel", subject.kernel}, {"shape", subject.shape}, {"simd", simd_name(active_simd())}};
  std::vector<Xxh3> digests(subject.contestants.size());
  for (const Draw& draw : draws_of(subject.kernel)) {
    json["families"].push_back(measure_draw(subject, draw, digests));
  }
  const Operands operands = operands_of(subject, draws_of(subject.kernel)[1]);
  std::vector<float> y(subject.outputs);
  std::vector<std::function<void()>> runs;
  for (const Contestant& each : subject.contestants) {
    runs.emplace_back([&] { each.run(operands, y); });
  }
  const std::vector<Speed> times = time_interleaved(runs, 9);
  const auto n = static_cast<double>(operands.x.size());
  std::vector<std::string> texts;
  for (std::size_t c = 0; c < digests.size(); ++c) {
    texts.push_back(hex(digests[c].finish()));
    json["contenders"].push_back({{"name", subject.contestants[c].name},
                                  {"ours", subject.contestants[c].ours},
                                  {"ns", times[c].median * 1e9 / n},
                                  {"ns_best", times[c].best * 1e9 / n},
                                  {"digest", texts[c]}});
  }
  json["identity"] = identities(subject, texts);
  set_threads(before);
  return json;
}

}  // namespace palinode::experiments::precision
