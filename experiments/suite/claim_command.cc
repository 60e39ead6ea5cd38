#include <fmt/format.h>

#include <algorithm>

#include "experiments/suite/suite.h"
#include "tensor/gemm.h"

namespace palinode::experiments {
namespace {

// As a shell takes it.
std::string quoted(const std::string& text) {
  std::string all = "'";
  for (const char c : text) all += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return all + "'";
}

bool is_for(const Override& change, const Study& study) {
  if (!change.study.empty()) return find_study(change.study).id == study.id;
  const std::string_view assignment = change.assignment;
  const std::string_view key = assignment.substr(0, assignment.find_first_of(" ="));
  return std::ranges::any_of(study.knobs, [key](const Knob& knob) { return knob.name == key; });
}

}  // namespace

std::string claim_command(const SuiteConfig& config, const Claim& claim) {
  if (claim.study.empty()) return "";
  const bool whole = claim.needs_all_studies && config.studies.size() > 1;
  std::string line = whole ? "palinode reproduce" : "palinode study run " + claim.study;
  if (config.size == Size::kFull) {
    line += " --full";
  } else if (whole) {
    line += " --quick";
  }
  if (config.first_seed != kPublishedSeed) line += fmt::format(" --seed {}", config.first_seed);
  if (config.seeds != 0) line += fmt::format(" --seeds {}", config.seeds);
  for (const Override& change : config.overrides) {
    if (!whole && !is_for(change, find_study(claim.study))) continue;
    const std::string_view dot = change.study.empty() ? "" : ".";
    line += fmt::format(" --set {}",
                        quoted(fmt::format("{}{}{}", change.study, dot, change.assignment)));
  }
  if (!config.data_path.empty()) line += " --data " + quoted(config.data_path);
  if (active_gemm() != Gemm::kCanonical)
    line += fmt::format(" --gemm {}", gemm_name(active_gemm()));
  return line;
}

}  // namespace palinode::experiments
