// The curves of the report: what is drawn of them, and that the tables have the numbers.
#include "experiments/report/curves.h"

#include <gtest/gtest.h>

#include <string>

#include "experiments/report.h"
#include "experiments/results/groups.h"

namespace palinode::experiments::report {
namespace {

Json point(const char* study, const char* series, const char* variable, Json at,
           const char* quantity, double mean, double lo, double hi, const char* model = "mlp") {
  return {{"study", study},
          {"model", model},
          {"data", "digits"},
          {"series", series},
          {"variable", variable},
          {"at", at},
          {"quantity", quantity},
          {"n", 10},
          {"undefined", 0},
          {"mean", mean},
          {"median", mean},
          {"lo", lo},
          {"hi", hi}};
}

bool has(const std::string& page, const std::string& words) {
  return page.find(words) != std::string::npos;
}

TEST(Curves, AreSetsOfOneModelVariableAndQuantity) {
  const Json curves = {point("E13", "R9", "steps", 1, "rf", 1, 1, 1),
                       point("E13", "R9", "steps", 5, "rf", 0.5, 0.4, 0.6),
                       point("E13", "R9", "steps", 1, "drift", 0, 0, 0),
                       point("E13", "R9", "steps", 1, "rf", 1, 1, 1, "cnn"),
                       point("E8", "bf16", "cycles", 1, "drift", 0, 0, 0)};
  const std::vector<CurveSet> sets = curve_sets(curves, "E13");
  ASSERT_EQ(sets.size(), 3U);
  EXPECT_EQ(sets[0].points.size(), 2U);
  EXPECT_EQ(sets[0].places(), (std::vector<double>{1, 5}));
  EXPECT_EQ(sets[1].quantity, "drift");
  EXPECT_EQ(sets[2].model, "cnn");
}

TEST(Curves, OfTheSizeOfModelsAreOneSet) {
  const Json curves = {point("E9", "R6", "parameters", 3466, "rf", 0.9, 0.8, 1, "small"),
                       point("E9", "R6", "parameters", 10666, "rf", 0.8, 0.7, 0.9, "larger")};
  const std::vector<CurveSet> sets = curve_sets(curves, "E9");
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(sets[0].model, "all sizes");
}

TEST(Curves, DrawAFactorBelowMinusOneAtMinusOneAndPrintItAsItIs) {
  const Json curves = {point("E13", "R9", "steps", 1, "rf", 0.5, -3, 0.75),
                       point("E13", "R9", "steps", 5, "rf", -1600.25, -1900, -1200)};
  const CurveSet set = curve_sets(curves, "E13").at(0);
  ASSERT_TRUE(is_drawn(set));
  const Json values = curve_spec(set)["data"]["values"];
  ASSERT_EQ(values.size(), 2U);
  EXPECT_EQ(values[0]["y"], 0.5);
  EXPECT_EQ(values[0]["lo"], -1.0);
  EXPECT_EQ(values[0]["hi"], 0.75);
  EXPECT_EQ(values[1]["y"], -1.0);
  EXPECT_EQ(values[1]["hi"], -1.0);
  EXPECT_EQ(values[1]["mean"], "\u22121600");  // in the tooltip, and in the table
  EXPECT_TRUE(has(curve_table(set), "\u22121600"));
  EXPECT_TRUE(has(curve_table(set), "[\u22121900, \u22121200]"));
}

TEST(Curves, DrawOnlyAFactorAtMinusOne) {
  const Json curves = {point("E8", "bf16", "cycles", 1, "drift", -5, -6, -4),
                       point("E8", "bf16", "cycles", 9, "drift", -7, -8, -6)};
  EXPECT_EQ(curve_spec(curve_sets(curves, "E8").at(0))["data"]["values"][0]["y"], -5.0);
}

TEST(Curves, OfSensitivityAreAHeatMap) {
  const Json curves = {point("E11", "layer.0", "sigma", 0.1, "sensitivity", 0.25, 0.2, 0.3),
                       point("E11", "layer.1", "sigma", 0.3, "sensitivity", 2, 1, 3)};
  const CurveSet set = curve_sets(curves, "E11").at(0);
  ASSERT_TRUE(is_drawn(set));
  const Json spec = curve_spec(set);
  EXPECT_EQ(spec["mark"]["type"], "rect");
  EXPECT_EQ(spec["encoding"]["y"]["field"], "series");
  EXPECT_EQ(spec["encoding"]["color"]["field"], "y");
  EXPECT_EQ(spec["data"]["values"][1]["y"], 2.0);
  EXPECT_FALSE(spec.contains("layer"));
  const Json lines = {point("E11", "theta", "sigma", 0.1, "svar", 0.25, 0.2, 0.3),
                      point("E11", "theta", "sigma", 0.3, "svar", 2, 1, 3)};
  EXPECT_EQ(curve_spec(curve_sets(lines, "E11").at(0))["layer"].size(), 3U);
}

TEST(Curves, LeaveOutOfAPlotWhatIsUndefined) {
  Json curves = {point("E13", "R9", "steps", 1, "rf", 0.5, 0.4, 0.6),
                 point("E13", "R9", "steps", 5, "rf", 0, 0, 0)};
  curves[1]["mean"] = curves[1]["lo"] = curves[1]["hi"] = "nan";
  const CurveSet set = curve_sets(curves, "E13").at(0);
  EXPECT_EQ(curve_spec(set)["data"]["values"].size(), 1U);
  EXPECT_TRUE(has(curve_table(set), "n/a"));
}

TEST(Curves, LeaveDifferencesOfTwoSeriesToTheTable) {
  const Json curves = {point("E11", "phi", "sigma", 0.1, "svar", 0.25, 0.2, 0.3),
                       point("E11", "phi - theta", "sigma", 0.1, "svar", -0.125, -0.2, -0.1),
                       point("E11", "phi", "sigma", 0.3, "svar", 0.5, 0.4, 0.6)};
  const CurveSet set = curve_sets(curves, "E11").at(0);
  EXPECT_EQ(curve_spec(set)["data"]["values"].size(), 2U);
  EXPECT_TRUE(has(curve_table(set), "\u22120.125"));
}

TEST(Curves, OfOnePlaceAreATableOnly) {
  const Json curves = Json::array({point("E13", "R9", "steps", 1, "rf", 1, 1, 1)});
  EXPECT_FALSE(is_drawn(curve_sets(curves, "E13").at(0)));
}

// A table of `count` places.
std::string table_of(int count) {
  Json curves = Json::array();
  for (int i = 0; i < count; ++i) {
    curves.push_back(point("E13", "R9", "steps", 1000 + i, "rf", 0.5 + 0.001 * i, 0, 1));
  }
  return curve_table(curve_sets(curves, "E13").at(0));
}

std::size_t count(const std::string& page, const std::string& words) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = page.find(words, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(CurveTable, OfMoreThanTwelvePlacesSaysSo) {
  EXPECT_FALSE(has(table_of(12), " places)"));
  EXPECT_EQ(count(table_of(12), "[0, 1]"), 12U);
  EXPECT_TRUE(has(table_of(13), "rf against steps, mlp (table: 12 of 13 places)"));
  EXPECT_EQ(count(table_of(13), "[0, 1]"), 12U);
  EXPECT_EQ(count(table_of(40), "[0, 1]"), 12U);
  for (const char* end : {">1000<", ">1039<"}) EXPECT_TRUE(has(table_of(40), end)) << end;
}

TEST(CurveTable, IsInTheReportUnderItsStudy) {
  const Json study = {{"id", "E13"},
                      {"name", "replay"},
                      {"question", "does it come back"},
                      {"object", "nothing"},
                      {"rule", "none"}};
  Json results = {{"schema", kResultsSchema}};
  results["studies"] = Json::array({study});
  results["curves"] = Json::array({point("E13", "R9", "steps", 1, "rf", 0.125, 0.1, 0.2)});
  const std::string page = render_report(results);
  EXPECT_TRUE(has(page, "E13 replay: does it come back?"));
  EXPECT_TRUE(has(page, "rf against steps, mlp"));
  EXPECT_TRUE(has(page, "0.125"));
}

}  // namespace
}  // namespace palinode::experiments::report
