#include "experiments/report/paper_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "experiments/report/vega.h"
#include "experiments/results/paper.h"

namespace palinode::experiments::report {
namespace {

// A table of the paper beside the intensities filed in it: its elimination rates hold three.
bool is_intensity(double share) {
  return std::ranges::any_of(paper::kIntensity,
                             [share](const paper::Intensity& row) { return row.alpha == share; });
}

std::vector<PaperMark> eliminations() {
  constexpr double kBelow = 1e-6;  // the paper prints "< 1e-6"
  std::vector<PaperMark> marks;
  for (const paper::Elimination& row : paper::kElimination) {
    const bool noise = is_intensity(row.share);
    marks.push_back({.at = row.share,
                     .y = row.kl,
                     .series = noise ? "paper, noise on \u03b8" : "paper, adapter pruned",
                     .figure = row.kl > kBelow ? number(row.kl) : "below 1e\u22126",
                     .note = noise ? "Noise on base weights, filed as an elimination rate"
                                   : "A LoRA of a model of billions of weights, one run"});
  }
  return marks;
}

// 1.5e9 of "1.5B".
double weights_of(std::string_view model) {
  double billions = 0;
  std::from_chars(model.data(), model.data() + model.size(), billions);
  return billions * 1e9;
}

std::vector<PaperMark> scales() {
  std::vector<PaperMark> marks;
  for (const paper::Scale& row : paper::kScale) {
    const double parameters = weights_of(row.model);
    const auto add = [&](const char* what, double percent) {
      marks.push_back(
          {.at = parameters,
           .y = percent / 100,
           .series = fmt::format("paper, {}: texts that match", what),
           .figure = fmt::format("{:g} % of ten texts", percent),
           .note = fmt::format("{} model, one seed: a share of equal texts, no RF", row.model)});
    };
    add("behavioral", row.behavioral);
    add("mutation", row.mutation);
  }
  return marks;
}

std::vector<PaperMark> entropies() {
  std::vector<PaperMark> marks;
  for (std::size_t i = 0; i < paper::kEntropy.size(); ++i) {
    marks.push_back({.at = static_cast<double>(i + 1),
                     .y = paper::kEntropy[i],
                     .series = "paper",
                     .figure = number(paper::kEntropy[i]),
                     .note = "A language model of billions of weights, answers sampled anew"});
  }
  return marks;
}

}  // namespace

std::vector<PaperMark> paper_intensities(const std::string& metric) {
  const bool kl = metric == "kl_adapt";
  std::vector<PaperMark> marks;
  for (const paper::Intensity& row : paper::kIntensity) {
    const auto add = [&](const char* model, double value) {
      marks.push_back(
          {.at = row.alpha,
           .y = value,
           .series = fmt::format("paper, {}", model),
           .figure = number(value),
           .note = fmt::format("A single noise draw on another model, of {} weights", model)});
    };
    add("1.5B", kl ? row.kl_small : row.js_small);
    add("3B", kl ? row.kl_large : row.js_large);
  }
  return marks;
}

std::vector<PaperMark> paper_marks(const CurveSet& set) {
  if (set.study == "E0" && set.quantity == "entropy") return entropies();
  if (set.study == "E2" && set.variable == "eps" && set.quantity == "kl") return eliminations();
  if (set.study == "E9" && set.variable == "parameters" && set.quantity == "rf") return scales();
  return {};
}

std::vector<PaperMark> paper_recoverability(const Json& group) {
  const std::string study = text(group, "study"), rollback = text(group, "rollback");
  const bool theta = text(group, "locus") == "theta";
  if (theta != (rollback == "R0") || (!theta && rollback != "R17")) return {};
  // The places in the paper's table: direct mutation, structured fine-tuning, behavioral.
  std::size_t place = 0;
  if (study == "E4") {
    place = theta ? 1 : 2;
  } else if (study != "E3" || !theta || text(group, "mechanism") != "noise") {
    return {};
  }
  const paper::Mechanism& row = paper::kMechanisms[place];
  return {{.at = row.rf,
           .y = 0,
           .series = "paper",
           .figure = number(row.rf),
           .note = fmt::format("Its row \"{}\", on models of billions of weights{}", row.name,
                               theta ? "; its reset of weights is no operation" : "")}};
}

Json paper_layer(const std::vector<PaperMark>& marks, const Json& x, const Json& y) {
  constexpr std::array kShapes = {"diamond", "square"};
  Json values = Json::array(), names = Json::array(), shapes = Json::array();
  for (const PaperMark& mark : marks) {
    values.push_back({{text(x, "field"), mark.at},
                      {text(y, "field"), mark.y},
                      {"paper", mark.series},
                      {"figure", mark.figure},
                      {"note", mark.note}});
    if (std::ranges::find(names, Json(mark.series)) != names.end()) continue;
    shapes.push_back(kShapes[names.size() % kShapes.size()]);
    names.push_back(mark.series);
  }
  return {{"data", {{"values", std::move(values)}}},
          {"mark", {{"type", "point"}, {"style", "paper"}, {"size", 80}}},
          {"encoding",
           {{"x", x},
            {"y", y},
            {"shape",
             {{"field", "paper"},
              {"type", "nominal"},
              {"sort", nullptr},
              {"scale", {{"domain", std::move(names)}, {"range", std::move(shapes)}}},
              {"legend",
               {{"title", nullptr},
                {"orient", "bottom"},
                {"columns", legend_columns()},
                {"labelLimit", 300}}}}},
            {"tooltip", tooltip({"paper", "figure", "note"})}}}};
}

}  // namespace palinode::experiments::report
