#include "experiments/precision/unary.h"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "experiments/environment.h"
#include "experiments/precision/errors.h"
#include "experiments/precision/sweep.h"
#include "experiments/precision/timing.h"
#include "tensor/rng.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

constexpr std::size_t kTimed = 16384;  // values: they and their results fit the second-level cache

std::string hex_of(float x) { return fmt::format("{:08x}", std::bit_cast<std::uint32_t>(x)); }

Json tally_json(const Tally& tally) {
  const auto share = static_cast<double>(tally.misrounded) / static_cast<double>(tally.inputs);
  return {{"inputs", tally.inputs},
          {"max_ulp", json_number(tally.max_ulp)},
          {"misrounded", tally.misrounded},
          {"misrounded_share", share},
          {"special", tally.special},
          {"zero_sign", tally.zero_sign},
          {"histogram",
           {{"rounded", tally.inputs - tally.misrounded},
            {"to_1", tally.above[0]},
            {"to_2", tally.above[1]},
            {"to_4", tally.above[2]},
            {"above_4", tally.above[3]}}},
          {"worst_input", hex_of(tally.worst)},
          {"worst_input_value", json_number(static_cast<double>(tally.worst))}};
}

Json contender_json(const Contender& contender, const Swept& swept, const Speed& speed) {
  Json json = {{"name", swept.name}, {"ours", swept.ours}};
  // What its documentation speaks of; beside it all inputs, if those are more.
  json.update(tally_json(swept.documented));
  json["worst_result"] = hex_of(swept.worst_result);
  if (contender.bounded()) {
    json["documented_low"] = static_cast<double>(contender.low);
    json["documented_high"] = static_cast<double>(contender.high);
    json["all_inputs"] = tally_json(swept.tally);
  }
  if (contender.promised > 0) json["documented_ulp"] = contender.promised;
  json["order_violations"] = swept.falls;
  json["symmetry_violations"] = swept.asymmetric;
  json["ns"] = speed.median * 1e9 / kTimed;
  json["ns_best"] = speed.best * 1e9 / kTimed;
  json["digest"] = swept.digest;
  return json;
}

std::vector<Speed> speeds(const Reference& reference, std::span<const Contender> contenders) {
  const Rng rng = Rng(1).stream("precision").stream(reference.name).stream("speed");
  std::vector<float> x(kTimed), y(kTimed);
  for (std::size_t i = 0; i < kTimed; ++i) {
    x[i] = static_cast<float>(reference.low + (reference.high - reference.low) * rng.uniform(i));
  }
  std::vector<std::function<void()>> runs;
  for (const Contender& contender : contenders) {
    runs.emplace_back([&x, &y, &contender] { contender.run(x, y); });
  }
  return time_interleaved(runs);
}

Sweep plan_of(const Reference& reference, std::span<const OwnKernel> own,
              const UnaryOptions& options) {
  Sweep plan{.every = options.exhaustive ? 0 : options.every};
  plan.quiet = options.quiet;
  plan.title = std::string(reference.name);
  plan.identity = fmt::format("{} {}", options.identity, simd_name(active_simd()));
  for (const OwnKernel& kernel : own) plan.identity += " " + kernel.digest;
  if (options.exhaustive && !options.folder.empty()) {
    std::filesystem::create_directories(options.folder);
    plan.checkpoint =
        fmt::format("{}/{}-{}.jsonl", options.folder, reference.name, simd_name(active_simd()));
  }
  return plan;
}

// The rows of one other SIMD target. `first` has the digests to be met, of the same inputs.
void add_identity(Json& rows, const Reference& reference, std::span<const Contender> ours,
                  const SweepResult& first, Sweep plan, Simd simd) {
  const Simd before = active_simd();
  use_simd(simd);
  plan.judged = false;
  plan.title += fmt::format(" on {}", simd_name(simd));
  if (!plan.checkpoint.empty()) plan.checkpoint += fmt::format(".{}", simd_name(simd));
  const SweepResult other = sweep(reference, ours, plan);
  use_simd(before);
  for (const Swept& swept : other.contenders) {
    for (const Swept& met : first.contenders) {
      if (met.name != swept.name) continue;
      rows.push_back({{"name", swept.name},
                      {"simd", simd_name(simd)},
                      {"inputs", other.inputs},
                      {"digest", swept.digest},
                      {"same_bits", swept.digest == met.digest}});
    }
  }
}

// Ours on every target there is. Where fma is emulated the fast forms are slow, and a sample stands
// for all inputs; so on SSE4, for the rounded forms too.
Json identities(const Reference& reference, std::span<const Contender> contenders,
                const SweepResult& swept, const Sweep& plan, const UnaryOptions& options) {
  std::vector<Contender> ours, rounded, fast;
  for (const Contender& each : contenders) {
    if (!each.ours) continue;
    ours.push_back(each);
    (each.name == "Palinode" ? rounded : fast).push_back(each);
  }
  Json rows = Json::array();
  if (ours.empty()) return rows;
  Sweep sample = plan;
  sample.every = options.every;
  sample.checkpoint.clear();
  sample.judged = false;
  const SweepResult sampled = options.exhaustive ? sweep(reference, ours, sample) : swept;
  std::vector<Simd> others;
  for (const Simd simd : available_simd()) {
    if (simd != active_simd()) others.push_back(simd);
  }
  for (const Simd simd : others) {
    if (simd == Simd::kSse4) {
      add_identity(rows, reference, ours, sampled, sample, simd);
    } else if (simd == Simd::kScalar) {
      add_identity(rows, reference, fast, sampled, sample, simd);
      add_identity(rows, reference, rounded, swept, plan, simd);
    } else {
      add_identity(rows, reference, ours, swept, plan, simd);
    }
  }
  return rows;
}

}  // namespace

Json measure_unary(const Reference& reference, std::span<const OwnKernel> own,
                   const UnaryOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Contender> all = contenders(reference);
  for (const OwnKernel& kernel : own) {
    Contender& contender = all.emplace_back();
    contender.name = kernel.name();
    contender.run = kernel.unary();
  }
  const Rng rng = Rng(1).stream("precision").stream(reference.name);
  const SelfCheck check =
      self_check(reference, options.exhaustive ? 100000 : 4000, rng.stream("self-check"));
  const std::vector<Speed> times = speeds(reference, all);
  const Sweep plan = plan_of(reference, own, options);
  const SweepResult swept = sweep(reference, all, plan);
  Json out = {{"kernel", reference.name},
              {"formula", reference.formula},
              {"simd", simd_name(active_simd())},
              {"inputs", swept.inputs},
              {"every", plan.every},
              {"exhaustive", options.exhaustive},
              {"compiler", environment_json()["compiler"]},
              {"program", options.identity}};
  out["reference"] = {
      {"decided_by_mpfr", swept.decided},           {"margin_ulp_f64", reference.margin},
      {"max_distance_ulp_f64", swept.max_distance}, {"checked", check.inputs},
      {"checked_max_ulp_f64", check.max_ulp},       {"checked_disagreements", check.disagreements}};
  out["timed_low"] = reference.low;
  out["timed_high"] = reference.high;
  for (std::size_t i = 0; i < all.size(); ++i) {
    out["contenders"].push_back(contender_json(all[i], swept.contenders[i], times[i]));
  }
  out["identity"] = identities(reference, all, swept, plan, options);
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace palinode::experiments::precision
