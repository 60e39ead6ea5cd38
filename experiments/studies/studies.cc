#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "experiments/studies/study.h"
#include "tensor/error.h"

namespace palinode::experiments {

extern const Study kNull, kUnload, kElimination, kNoise, kFineTuning, kPolicyGradient, kSequential,
    kOptimizerState, kRounding, kScale, kBuffers, kSvar, kLeakageScore, kReplay, kBudget, kSiblings,
    kLifeCycle, kCache, kShift, kAnchored, kRelearning;

std::span<const Study> studies() {
  static const std::vector<Study> kAll = {
      kNull,         kUnload,         kElimination, kNoise,    kFineTuning, kPolicyGradient,
      kSequential,   kOptimizerState, kRounding,    kScale,    kBuffers,    kSvar,
      kLeakageScore, kReplay,         kBudget,      kSiblings, kLifeCycle,  kCache,
      kShift,        kAnchored,       kRelearning};
  return kAll;
}

std::vector<Judgement> judge(const Study& study, const Evidence& evidence) {
  std::vector<Judgement> judgements = study.judge(evidence);
  for (Judgement& judgement : judgements) judgement.study = study.id;
  return judgements;
}

const Study& find_study(std::string_view id_or_name) {
  const auto same = [id_or_name](std::string_view name) {
    return std::ranges::equal(name, id_or_name, [](unsigned char a, unsigned char b) {
      return std::tolower(a) == std::tolower(b);
    });
  };
  std::string known;
  for (const Study& study : studies()) {
    if (same(study.id) || same(study.name)) return study;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", study.id, study.name);
  }
  throw NameError(fmt::format("unknown study \"{}\"; there are {}", id_or_name, known));
}

std::string unload_fault(std::span<const Row> rows) {
  for (const Row& row : rows) {
    if (row.rollback != "R17") continue;
    if (row.words_changed != 0 || !row.logits_bit_equal || row.kl_rec != 0 || row.js_rec != 0) {
      return fmt::format("{} {} seed {}: {} words changed, KL {:g}", row.study, row.mechanism,
                         row.seed, row.words_changed, row.kl_rec);
    }
  }
  return "";
}

Point Cell::point(std::string series, std::string variable, double at, std::string quantity,
                  double value, std::string data) const {
  return {.study = std::string(study_->id),
          .model = model_,
          .data = std::move(data),
          .series = std::move(series),
          .variable = std::move(variable),
          .at = at,
          .quantity = std::move(quantity),
          .seed = seed_,
          .value = value};
}

}  // namespace palinode::experiments
