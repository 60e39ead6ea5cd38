#include "experiments/precision/reductions.h"

#include <cmath>

#include "experiments/precision/errors.h"
#include "experiments/precision/families.h"
#include "experiments/precision/sums.h"
#include "experiments/precision/timing.h"
#include "tensor/digest.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;
using In = std::span<const float>;

// Sums are dot products with nothing on the right.
using Run = std::function<float(In, In)>;

struct Contestant {
  std::string name;
  bool ours;
  Run run;
  std::function<double(double)> roundings;  // empty: of a stranger, n of them
  double given = 0;
};

struct Subject {
  std::string kernel;
  bool dot;
  std::vector<Contestant> contestants;
};

void draw(const Subject& subject, const Family& family, const Rng& rng, std::span<float> a,
          std::span<float> b) {
  subject.dot ? draw_dot(family, rng, a, b) : draw_sum(family, rng, a);
}

TermTruth truth_of(const Subject& subject, In a, In b) {
  return subject.dot ? dot_truth(a, b) : sum_truth(a);
}

Json errors_json(const Contestant& contestant, const Errors& backward, const Errors& forward,
                 double n, double underflow) {
  const double roundings = contestant.roundings ? contestant.roundings(n) : n;
  const double given = contestant.given + underflow;
  const double expected = probable(roundings) + given;
  return {{"name", contestant.name},    {"backward", backward.json()},
          {"forward", forward.json()},  {"bound", roundings + given},
          {"probable_bound", expected}, {"suspicious", backward.max() > expected}};
}

// All trials of one family; results go into the digests.
Json measure_family(const Subject& subject, const Family& family, const ReductionOptions& options,
                    std::vector<Xxh3>& digests) {
  std::vector<float> a(options.length), b(subject.dot ? options.length : 0);
  std::vector<Errors> backward(digests.size()), forward(digests.size());
  std::vector<double> conditions;
  double underflow = 0, coarse = 0, self_check = 0;
  const Rng rng = Rng(1).stream("precision").stream(subject.kernel).stream(family.name);
  for (std::size_t trial = 0; trial < options.trials; ++trial) {
    draw(subject, family, rng.stream(trial), a, b);
    const TermTruth truth = truth_of(subject, a, b);
    const double value = truth.total.value();
    conditions.push_back(value == 0 ? HUGE_VAL : truth.size / std::abs(value));
    if (trial < 20) {
      const std::vector<float> ones(a.size(), 1);
      const double exact = exact_dot(a, subject.dot ? In(b) : In(ones));
      self_check = std::max(self_check, std::abs(truth.total.minus(exact)) / truth.size);
    }
    // A product that falls below 2^-126 is rounded to a multiple of 2^-149.
    const auto terms = static_cast<double>(options.length);
    if (subject.dot) underflow = std::max(underflow, terms * 0x1p-150 / (truth.size * kUnit));
    // So are inputs as bf16 to one of 2^-133.
    coarse = std::max(coarse, terms * 0x1p-134 / (truth.size * kUnit));
    for (std::size_t c = 0; c < digests.size(); ++c) {
      const float result = subject.contestants[c].run(a, b);
      digests[c].add(In(&result, 1));
      const double error = std::abs(truth.total.minus(static_cast<double>(result)));
      backward[c].add(error / (truth.size * kUnit));
      forward[c].add(error == 0 ? 0 : error / (std::abs(value) * kUnit));
    }
  }
  // Elsewhere underflow is far below a rounding.
  if (underflow < 1e-3) underflow = 0;
  if (coarse < 1 || subject.dot) coarse = 0;
  Json json = {{"name", family.name},
               {"condition", json_number(median(conditions))},
               {"truth_error", self_check}};
  for (std::size_t c = 0; c < digests.size(); ++c) {
    const Contestant& each = subject.contestants[c];
    json["contenders"].push_back(errors_json(each, backward[c], forward[c],
                                             static_cast<double>(options.length),
                                             each.given > 0 ? underflow + coarse : underflow));
  }
  return json;
}

std::vector<Speed> speeds(const Subject& subject, std::size_t length) {
  std::vector<float> a(length), b(length);
  const Rng rng = Rng(1).stream("precision").stream(subject.kernel).stream("speed");
  draw_sum(families().front(), rng.stream("a"), a);
  draw_sum(families().front(), rng.stream("b"), b);
  std::vector<std::function<void()>> runs;
  for (const Contestant& each : subject.contestants) {
    runs.emplace_back([&a, &b, &each] {
      // A result that nobody reads would not be computed.
      const float result = each.run(a, b);
      asm volatile("" : : "g"(result) : "memory");
    });
  }
  return time_interleaved(runs);
}

// The digests of ours, over every family, on one SIMD target.
std::string digest_of(const Subject& subject, std::size_t c, const ReductionOptions& options) {
  Xxh3 digest;
  std::vector<float> a(options.length), b(subject.dot ? options.length : 0);
  for (const Family& family : families()) {
    const Rng rng = Rng(1).stream("precision").stream(subject.kernel).stream(family.name);
    for (std::size_t trial = 0; trial < options.trials; ++trial) {
      draw(subject, family, rng.stream(trial), a, b);
      const float result = subject.contestants[c].run(a, b);
      digest.add(In(&result, 1));
    }
  }
  return hex(digest.finish());
}

Json identities(const Subject& subject, const ReductionOptions& options,
                const std::vector<std::string>& digests) {
  // A tenth of the trials, also on the first target: the emulated ones are slow.
  ReductionOptions fewer = options;
  fewer.trials = std::max<std::size_t>(1, options.trials / 10);
  const Simd before = active_simd();
  Json rows = Json::array();
  for (std::size_t c = 0; c < digests.size(); ++c) {
    if (!subject.contestants[c].ours) continue;
    const std::string first = digest_of(subject, c, fewer);
    for (const Simd simd : available_simd()) {
      if (simd == before) continue;
      use_simd(simd);
      const std::string digest = digest_of(subject, c, fewer);
      rows.push_back({{"name", subject.contestants[c].name},
                      {"simd", simd_name(simd)},
                      {"inputs", fewer.trials * families().size()},
                      {"digest", digest},
                      {"same_bits", digest == first}});
    }
    use_simd(before);
  }
  return rows;
}

Json measure(const Subject& subject, const ReductionOptions& options) {
  Json json = {{"kernel", subject.kernel},
               {"simd", simd_name(active_simd())},
               {"length", options.length},
               {"trials", options.trials}};
  const std::vector<Speed> times = speeds(subject, options.length);
  std::vector<Xxh3> digests(subject.contestants.size());
  for (const Family& family : families()) {
    json["families"].push_back(measure_family(subject, family, options, digests));
  }
  std::vector<std::string> texts;
  for (const Xxh3& digest : digests) texts.push_back(hex(digest.finish()));
  const auto n = static_cast<double>(options.length);
  for (std::size_t c = 0; c < texts.size(); ++c) {
    const auto first =
        static_cast<std::size_t>(std::find(texts.begin(), texts.end(), texts[c]) - texts.begin());
    Json row = {{"name", subject.contestants[c].name},
                {"ours", subject.contestants[c].ours},
                {"ns", times[c].median * 1e9 / n},
                {"ns_best", times[c].best * 1e9 / n},
                {"digest", texts[c]}};
    row["same_bits_as"] = first == c ? Json(nullptr) : Json(subject.contestants[first].name);
    json["contenders"].push_back(std::move(row));
  }
  json["identity"] = identities(subject, options, texts);
  return json;
}

}  // namespace

Json measure_sum(std::span<const OwnKernel> own, const ReductionOptions& options) {
  Subject subject{"sum", false, {}};
  for (const SumAlgorithm& each : sum_algorithms()) {
    subject.contestants.push_back({each.name, each.ours,
                                   [run = each.run](In a, In) { return run(a); }, each.roundings,
                                   each.given});
  }
  for (const OwnKernel& kernel : own) {
    using Sum = float (*)(const float* x, std::size_t n);
    const auto f = reinterpret_cast<Sum>(kernel.address);
    subject.contestants.push_back(
        {kernel.name(), false, [f](In a, In) { return f(a.data(), a.size()); }, {}, 0});
  }
  return measure(subject, options);
}

Json measure_dot(std::span<const OwnKernel> own, const ReductionOptions& options) {
  Subject subject{"dot", true, {}};
  for (const DotAlgorithm& each : dot_algorithms()) {
    subject.contestants.push_back({each.name, each.ours, each.run, each.roundings, each.given});
  }
  for (const OwnKernel& kernel : own) {
    using Dot = float (*)(const float* a, const float* b, std::size_t n);
    const auto f = reinterpret_cast<Dot>(kernel.address);
    subject.contestants.push_back(
        {kernel.name(), false, [f](In a, In b) { return f(a.data(), b.data(), a.size()); }, {}, 0});
  }
  return measure(subject, options);
}

}  // namespace palinode::experiments::precision
