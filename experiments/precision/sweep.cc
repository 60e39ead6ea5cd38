#include "experiments/precision/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "experiments/precision/checkpoint.h"
#include "experiments/progress.h"
#include "tensor/parallel.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kBlockBits = 21;
constexpr std::size_t kChunk = 2048;  // magnitudes; each is two inputs
constexpr std::uint32_t kSign = 0x80000000U;

// Magnitude j of a block, as the bits of an f32.
class Magnitudes {
 public:
  explicit Magnitudes(unsigned every) : every_(every) {
    if (every_ == 0) return;
    // Powers of two and their neighbours; the least numbers, the largest ones, infinity and NaN.
    for (const std::uint32_t bits : {0U, 1U, 2U, 3U}) edges_.push_back(bits);
    for (std::uint32_t bits = 4; bits < 0x00800000U; bits *= 2) add_edge(bits);
    for (std::uint32_t exponent = 1; exponent < 255; ++exponent) add_edge(exponent << 23);
    edges_.insert(edges_.end(), {0x7f7ffffeU, 0x7f7fffffU, 0x7f800000U, 0x7fc00000U});
  }

  // The edges are a block of their own, after all others.
  std::size_t size(std::size_t block) const {
    return is_edges(block) ? edges_.size() : std::size_t{1} << (kBlockBits - every_);
  }
  std::uint32_t at(std::size_t block, std::size_t j) const {
    if (is_edges(block)) return edges_[j];
    const std::uint64_t stretch = (block << (kBlockBits - every_)) + j;
    // The upper bits of a product with the golden ratio: Knuth's multiplicative hash.
    const std::uint64_t hash = (stretch * 0x9e3779b97f4a7c15U) >> 32;
    return static_cast<std::uint32_t>((stretch << every_) | (hash & ((1U << every_) - 1)));
  }

 private:
  bool is_edges(std::size_t block) const { return every_ != 0 && block == kBlocks; }
  void add_edge(std::uint32_t bits) { edges_.insert(edges_.end(), {bits - 1, bits, bits + 1}); }

  unsigned every_;
  std::vector<std::uint32_t> edges_;
};

// One contender on one block.
struct Part {
  Tally tally, documented;
  std::uint64_t falls = 0, asymmetric = 0;
  Xxh3 digest;
  float last_positive = 0, last_negative = 0;
  bool begun = false;
};

float value_at(const Contender& contender, float x) {
  float y = 0;
  contender.run(std::span<const float>(&x, 1), std::span<float>(&y, 1));
  return y;
}

// Neighbours across a chunk's border count too.
void check_order(const Reference& reference, std::span<const float> positive,
                 std::span<const float> negative, Part& part) {
  if (reference.symmetry != Symmetry::kNone) {
    part.asymmetric += count_asymmetric(positive, negative, reference.symmetry == Symmetry::kOdd);
  }
  if (reference.trend == Trend::kNone) return;
  const auto turned = [](std::span<const float> y, float before) {
    std::vector<float> out = {-before};
    for (const float value : y) out.push_back(-value);
    return out;
  };
  const auto straight = [](std::span<const float> y, float before) {
    std::vector<float> out = {before};
    out.insert(out.end(), y.begin(), y.end());
    return out;
  };
  // Along growing magnitudes the negative inputs fall.
  const bool rising = reference.trend == Trend::kRising;
  part.falls += count_falls(rising ? straight(positive, part.last_positive)
                                   : turned(positive, part.last_positive));
  part.falls += count_falls(rising ? turned(negative, part.last_negative)
                                   : straight(negative, part.last_negative));
  part.last_positive = positive.back();
  part.last_negative = negative.back();
}

class Runner {
 public:
  Runner(const Reference& reference, std::span<const Contender> contenders, const Sweep& plan)
      : reference_(reference), contenders_(contenders), plan_(plan), magnitudes_(plan.every) {}

  Json run(std::size_t block) const {
    std::vector<Part> parts(contenders_.size());
    Truth truth;
    std::vector<float> y;
    std::uint64_t decided = 0;
    double max_distance = 0;
    const std::size_t size = magnitudes_.size(block);
    for (std::size_t begin = 0; begin < size; begin += kChunk) {
      const std::size_t count = std::min(kChunk, size - begin);
      fill(block, begin, count, truth.x);
      if (plan_.judged) settle(reference_, truth);
      decided += truth.decided;
      max_distance = std::max(max_distance, truth.max_distance);
      y.resize(2 * count);
      for (std::size_t c = 0; c < contenders_.size(); ++c) {
        contenders_[c].run(truth.x, y);
        parts[c].digest.add(std::span<const float>(y));
        if (plan_.judged) add(block, begin, contenders_[c], truth, y, parts[c]);
      }
    }
    Json result = {{"inputs", 2 * size}, {"decided", decided}, {"distance", max_distance}};
    for (std::size_t c = 0; c < parts.size(); ++c) {
      result["contenders"].push_back(to_json(parts[c], contenders_[c]));
    }
    return result;
  }

 private:
  void fill(std::size_t block, std::size_t begin, std::size_t count, std::vector<float>& x) const {
    x.resize(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = magnitudes_.at(block, begin + i);
      x[i] = std::bit_cast<float>(bits);
      x[count + i] = std::bit_cast<float>(bits | kSign);
    }
  }

  void add(std::size_t block, std::size_t begin, const Contender& contender, const Truth& truth,
           std::span<const float> y, Part& part) const {
    part.tally += judge(truth, y, part.tally.max_ulp);
    // Where its documentation is silent, a contender is given the right result.
    std::vector<float> within;
    if (contender.bounded()) {
      within = documented_results(contender, truth, y);
      // That errs by up to half an ULP too, at an input which is no worst one.
      Tally tally = judge(truth, within, std::max(part.documented.max_ulp, 0.5));
      tally.inputs = static_cast<std::uint64_t>(
          std::ranges::count_if(truth.x, [&](float x) { return contender.documents(x); }));
      part.documented += tally;
      y = within;
    }
    const std::span<const float> positive = y.first(y.size() / 2), negative = y.last(y.size() / 2);
    if (!part.begun) {
      part.begun = true;
      // The neighbour before the block; a block of edges has none.
      const bool first = block == 0 || block >= kBlocks;
      const std::uint32_t before = first
                                       ? magnitudes_.at(block, begin)
                                       : magnitudes_.at(block - 1, magnitudes_.size(block - 1) - 1);
      part.last_positive = documented_at(contender, std::bit_cast<float>(before));
      part.last_negative = documented_at(contender, std::bit_cast<float>(before | kSign));
    }
    check_order(reference_, positive, negative, part);
  }

  static std::vector<float> documented_results(const Contender& contender, const Truth& truth,
                                               std::span<const float> y) {
    std::vector<float> within(y.begin(), y.end());
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (!contender.documents(truth.x[i])) within[i] = truth.nearest[i];
    }
    return within;
  }
  float documented_at(const Contender& contender, float x) const {
    return contender.documents(x) ? value_at(contender, x) : nearest_f32(reference_, x);
  }

  static Json to_json(const Part& part, const Contender& contender) {
    const Xxh3Digest digest = part.digest.finish();
    Json json = {{"all", to_json(part.tally)}};
    if (contender.bounded()) json["documented"] = to_json(part.documented);
    json["falls"] = part.falls;
    json["asymmetric"] = part.asymmetric;
    json["digest"] = hex(digest);
    return json;
  }

  static Json to_json(const Tally& tally) {
    return {{"inputs", tally.inputs},
            {"misrounded", tally.misrounded},
            {"special", tally.special},
            {"zero_sign", tally.zero_sign},
            {"above", tally.above},
            {"max_ulp", tally.max_ulp},
            {"worst", std::bit_cast<std::uint32_t>(tally.worst)}};
  }

  const Reference& reference_;
  std::span<const Contender> contenders_;
  const Sweep& plan_;
  Magnitudes magnitudes_;
};

Tally tally_of(const Json& part) {
  return {.inputs = part.at("inputs").get<std::uint64_t>(),
          .misrounded = part.at("misrounded").get<std::uint64_t>(),
          .special = part.at("special").get<std::uint64_t>(),
          .zero_sign = part.at("zero_sign").get<std::uint64_t>(),
          .above = part.at("above").get<std::array<std::uint64_t, 4>>(),
          .max_ulp = part.at("max_ulp").get<double>(),
          .worst = std::bit_cast<float>(part.at("worst").get<std::uint32_t>())};
}

// The largest error once more, by MPFR.
void settle_worst(const Reference& reference, const Contender& contender, Tally& tally) {
  if (tally.max_ulp == 0 || (contender.bounded() && tally.max_ulp <= 0.5)) return;
  tally.max_ulp = exact_error(reference, tally.worst, value_at(contender, tally.worst));
}

// What the blocks add up to, in their order.
SweepResult joined(const Reference& reference, std::span<const Contender> contenders,
                   const Sweep& plan, const std::map<std::size_t, Json>& blocks) {
  SweepResult result;
  for (const Contender& contender : contenders) {
    Swept& swept = result.contenders.emplace_back();
    swept.name = contender.name;
    swept.ours = contender.ours;
  }
  std::vector<Sha256> digests(contenders.size());
  for (const auto& [block, part] : blocks) {
    result.inputs += part.at("inputs").get<std::uint64_t>();
    result.decided += part.at("decided").get<std::uint64_t>();
    result.max_distance = std::max(result.max_distance, part.at("distance").get<double>());
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      const Json& one = part.at("contenders").at(c);
      result.contenders[c].tally += tally_of(one.at("all"));
      result.contenders[c].documented +=
          tally_of(one.at(contenders[c].bounded() ? "documented" : "all"));
      result.contenders[c].falls += one.at("falls").get<std::uint64_t>();
      result.contenders[c].asymmetric += one.at("asymmetric").get<std::uint64_t>();
      digests[c].add(one.at("digest").get<std::string>());
    }
  }
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    Swept& swept = result.contenders[c];
    swept.digest = hex(digests[c].finish());
    if (!plan.judged) continue;
    settle_worst(reference, contenders[c], swept.tally);
    settle_worst(reference, contenders[c], swept.documented);
    swept.worst_result = value_at(contenders[c], swept.documented.worst);
  }
  return result;
}

}  // namespace

SweepResult sweep(const Reference& reference, std::span<const Contender> contenders,
                  const Sweep& plan) {
  const Runner runner(reference, contenders, plan);
  Json head = {{"sweep", reference.name}, {"every", plan.every},   {"first", plan.first},
               {"end", plan.end},         {"judged", plan.judged}, {"identity", plan.identity}};
  for (const Contender& contender : contenders) head["contenders"].push_back(contender.name);
  Checkpoint checkpoint(plan.checkpoint, head);
  std::vector<std::size_t> pending;
  const std::size_t edges = plan.every != 0 && plan.end == kBlocks ? 1 : 0;
  for (std::size_t block = plan.first; block < plan.end + edges; ++block) {
    if (!checkpoint.blocks().contains(block)) pending.push_back(block);
  }
  {
    Progress progress(plan.title, pending.size(), plan.quiet);
    parallel_jobs(pending.size(), [&](std::size_t i) {
      checkpoint.add(pending[i], runner.run(pending[i]));
      progress.advance();
    });
  }
  return joined(reference, contenders, plan, checkpoint.blocks());
}

}  // namespace palinode::experiments::precision
