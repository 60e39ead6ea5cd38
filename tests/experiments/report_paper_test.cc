// The paper's figures in the report's plots: all of them, as marks of their own.
#include <gtest/gtest.h>

#include <string>

#include "experiments/report/charts.h"
#include "experiments/report/curves.h"
#include "experiments/report/paper_marks.h"
#include "experiments/results/paper.h"

namespace palinode::experiments {
namespace {

using report::Json;
using report::PaperMark;

Json curve(const char* study, const char* variable, const char* quantity, double at) {
  return {{"study", study},       {"model", "m"},         {"data", "d"}, {"series", "s"},
          {"variable", variable}, {"quantity", quantity}, {"at", at},    {"n", 3},
          {"mean", 0.5},          {"lo", 0.25},           {"hi", 0.75}};
}

// The data of the layer with the paper's marks; null if the plot has none.
Json marks_of(const Json& spec) {
  for (const Json& layer : spec.at("layer")) {
    if (layer.at("mark").value("style", "") == "paper") {
      EXPECT_TRUE(layer.at("encoding").at("shape").at("legend").is_object());
      return layer.at("data").at("values");
    }
  }
  return nullptr;
}

Json marks_of(const char* study, const char* variable, const char* quantity) {
  const Json points = {curve(study, variable, quantity, 0), curve(study, variable, quantity, 1)};
  const auto sets = report::curve_sets(points, study);
  EXPECT_EQ(sets.size(), 1U);
  EXPECT_TRUE(report::is_drawn(sets.at(0)));
  return marks_of(report::curve_spec(sets.at(0)));
}

Json noise(const char* study, const char* locus) {
  return {{"study", study},
          {"model", "m"},
          {"data", "d"},
          {"locus", locus},
          {"alpha", 0.01},
          {"mechanism", "noise"},
          {"rollback", "R0"},
          {"n", 1},
          {"rf_state", "value"},
          {"rf", {{"mean", 0.0}, {"lo", 0.0}, {"hi", 0.0}}},
          {"kl_adapt", {{"mean", 0.5}}},
          {"js_adapt", {{"mean", 0.25}}}};
}

TEST(PaperMarks, OfTheIntensitiesAreBothModelsAtEachAlpha) {
  const Json kl = marks_of(report::intensity_spec({noise("E3", "theta")}, "kl_adapt"));
  const Json js = marks_of(report::intensity_spec({noise("E3", "theta")}, "js_adapt"));
  ASSERT_EQ(kl.size(), 2 * paper::kIntensity.size());
  ASSERT_EQ(js.size(), kl.size());
  for (std::size_t i = 0; i < paper::kIntensity.size(); ++i) {
    const paper::Intensity& row = paper::kIntensity[i];
    EXPECT_EQ(kl[2 * i]["alpha"], row.alpha);
    EXPECT_EQ(kl[2 * i]["y"], row.kl_small);
    EXPECT_EQ(kl[2 * i]["paper"], "paper, 1.5B");
    EXPECT_EQ(kl[2 * i + 1]["y"], row.kl_large);
    EXPECT_EQ(kl[2 * i + 1]["paper"], "paper, 3B");
    EXPECT_EQ(js[2 * i]["y"], row.js_small);
    EXPECT_EQ(js[2 * i + 1]["y"], row.js_large);
    EXPECT_NE(kl[2 * i]["note"].get<std::string>().find("single noise draw"), std::string::npos);
  }
}

TEST(PaperMarks, StandInsideThePlotOfTheIntensities) {
  const Json spec = report::intensity_spec({noise("E3", "theta")}, "kl_adapt");
  const Json& encoding = spec["layer"].back()["encoding"];
  EXPECT_GT(encoding["y"]["scale"]["domain"][1], 15.581);
  EXPECT_LT(encoding["x"]["scale"]["domain"][0], 0.001);
  EXPECT_GT(encoding["x"]["scale"]["domain"][1], 0.05);
}

TEST(PaperMarks, AreNotBesideNoiseOfABehaviorAlone) {
  EXPECT_TRUE(marks_of(report::intensity_spec({noise("E1", "phi")}, "kl_adapt")).is_null());
}

TEST(PaperMarks, OfTheEliminationTellTheNoiseFiledInItApart) {
  const Json marks = marks_of("E2", "eps", "kl");
  ASSERT_EQ(marks.size(), paper::kElimination.size());
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const double share = paper::kElimination[i].share;
    EXPECT_EQ(marks[i]["at"], share);
    EXPECT_EQ(marks[i]["y"], paper::kElimination[i].kl);
    const bool noise = share == 0.001 || share == 0.01 || share == 0.05;
    EXPECT_EQ(marks[i]["paper"], noise ? "paper, noise on \u03b8" : "paper, adapter pruned");
  }
  EXPECT_EQ(marks.back()["figure"], "below 1e\u22126");
}

TEST(PaperMarks, OfTheScaleAreSharesOfTexts) {
  const Json marks = marks_of("E9", "parameters", "rf");
  ASSERT_EQ(marks.size(), 2 * paper::kScale.size());
  EXPECT_EQ(marks[1]["at"], 1.5e9);
  EXPECT_EQ(marks[1]["y"], 0.3);
  EXPECT_EQ(marks[1]["figure"], "30 % of ten texts");
  EXPECT_EQ(marks[4]["at"], 7e9);
  EXPECT_EQ(marks[4]["y"], 1.0);
}

TEST(PaperMarks, OfTheEntropyAreItsRepeats) {
  const Json marks = marks_of("E0", "repeat", "entropy");
  ASSERT_EQ(marks.size(), paper::kEntropy.size());
  EXPECT_EQ(marks[2]["at"], 3.0);
  EXPECT_EQ(marks[2]["y"], paper::kEntropy[2]);
}

TEST(PaperMarks, AreInNoPlotThePaperHasNothingOf) {
  EXPECT_TRUE(marks_of("E13", "steps", "rf").is_null());
  EXPECT_TRUE(marks_of("E2", "rate", "first-zero").is_null());
}

TEST(PaperMarks, OfTheLadderStandWhereThePaperHasAFactor) {
  const auto factor = [](const char* study, const char* locus, const char* rollback) {
    Json group = noise(study, locus);
    group["rollback"] = rollback;
    const std::vector<PaperMark> marks = report::paper_recoverability(group);
    return marks.empty() ? -1 : marks.front().at;
  };
  EXPECT_EQ(factor("E3", "theta", "R0"), 0);
  EXPECT_EQ(factor("E4", "theta", "R0"), 0);
  EXPECT_EQ(factor("E4", "phi", "R17"), 1);
  EXPECT_EQ(factor("E4", "phi", "R0"), -1);
  EXPECT_EQ(factor("E3", "theta", "R12"), -1);
  EXPECT_EQ(factor("E5", "theta", "R0"), -1);
  const Json spec = report::ladder_spec(report::panels(Json{noise("E3", "theta")}).at(0));
  const Json& last = spec["layer"].back();
  EXPECT_EQ(last["mark"]["style"], "around");
  EXPECT_EQ(last["data"]["values"].size(), 1U);
  EXPECT_EQ(last["data"]["values"][0]["row"], spec["data"]["values"][1]["row"]);
}

}  // namespace
}  // namespace palinode::experiments
