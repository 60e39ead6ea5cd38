// The report as text; how it looks and behaves in a browser is tested in tests/web.
#include "experiments/report.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "experiments/embedded.h"
#include "experiments/report/charts.h"
#include "experiments/report/html.h"
#include "experiments/results/groups.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using report::Json;

constexpr std::string_view kHostile = "</script><b onload=\"x\">{{vega}}'&";

Json metric(double mean, double lo, double hi) {
  return {{"mean", mean}, {"median", mean}, {"lo", lo}, {"hi", hi}};
}

Json group(const char* locus, const char* mechanism, Json alpha, const char* rollback, Json rf,
           const char* rf_state = "value") {
  return {{"study", "E1"},
          {"model", "mlp-64-10"},
          {"data", "digits"},
          {"locus", locus},
          {"mechanism", mechanism},
          {"alpha", std::move(alpha)},
          {"rollback", rollback},
          {"n", 10},
          {"rf", std::move(rf)},
          {"rf_state", rf_state},
          {"kl_adapt", metric(0.5125, 0.4, 0.625)},
          {"js_adapt", metric(0.125, 0.1, 0.15)},
          {"kl_rec", metric(3.25e-9, 1e-9, 5e-9)},
          {"js_rec", nullptr},
          {"words_changed_share", metric(1, 1, 1)},
          {"task_metric_adapt", metric(0.75, 0.7, 0.8)},
          {"task_metric_rec", metric(0.9375, 0.9, 0.95)},
          {"bits_equal", 0},
          {"verdict", "none"}};
}

Json sample() {
  Json groups = {group("theta", "noise", 0.01, "R12", metric(0.999996, 0.999995, 0.999997)),
                 group("theta", "noise", 0.01, "R0", metric(0, 0, 0)),
                 group("theta", "noise", 0.001, "R0", metric(0, 0, 0)),
                 group("theta", "policy-gradient", nullptr, "R6", metric(-1600.25, -1900, -1200)),
                 group("theta", "none", nullptr, "R0", nullptr, "undefined"),
                 group("theta", "sgd", nullptr, "R7", nullptr, "below-floor"),
                 group("phi", "adam", nullptr, "R17", metric(1, 1, 1))};
  Json claim = {{"id", "C1"},    {"claim", kHostile}, {"verdict", "supported"},
                {"figure", 1.0}, {"lo", 1.0},         {"hi", 1.0},
                {"study", "E1"}, {"rule", "RF is 1"}, {"command", "palinode study run E1 --quick"}};
  return {{"schema", kResultsSchema},
          {"version", "0.1.0"},
          {"environment",
           {{"cpu", kHostile},
            {"seed", 1},
            {"simd", "avx2"},
            {"quick", true},
            {"command", "palinode reproduce"}}},
          {"digests", {{"E1", {{"computed", "abc1"}, {"published", "abc1"}, {"match", true}}}}},
          {"rows", {{{"seed", 1}}, {{"seed", 2}}}},
          {"groups", groups},
          {"claims", {claim}}};
}

bool has(std::string_view page, std::string_view words) {
  return page.find(words) != std::string_view::npos;
}

std::size_t count(std::string_view page, std::string_view words) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = page.find(words, at)) != std::string_view::npos; ++at) ++found;
  return found;
}

// The page without the scripts it embeds, which is where the results are.
std::string written(const Json& results) {
  std::string page = render_report(results);
  page.resize(page.find("!function"));
  return page;
}

TEST(Report, HasTheSameBytesForTheSameResults) {
  EXPECT_EQ(render_report(sample()), render_report(sample()));
}

TEST(Report, LoadsNothing) {
  const std::string page = written(sample());
  EXPECT_FALSE(has(page, " src="));
  EXPECT_FALSE(has(page, "http:"));
  EXPECT_FALSE(has(page, "https:"));
  EXPECT_TRUE(has(page, "default-src 'none'; script-src 'sha256-"));
  EXPECT_FALSE(has(page, "unsafe"));
}

TEST(Report, WritesHostileTextAsText) {
  const std::string page = written(sample());
  EXPECT_FALSE(has(page, "<b "));
  EXPECT_TRUE(has(page, "&lt;/script&gt;&lt;b onload=&quot;x&quot;&gt;{{vega}}&#39;&amp;"));
}

TEST(Report, KeepsHostileTextInsideItsScript) {
  Json results = sample();
  results["groups"][0]["mechanism"] = kHostile;
  const std::string page = render_report(results);
  EXPECT_EQ(count(page, "</script>"), count(page, "<script"));
  EXPECT_TRUE(has(page, "\\u003c/script>\\u003cb onload"));
}

TEST(Report, SaysUndefinedAndBelowTheFloorInWords) {
  const std::string page = written(sample());
  EXPECT_TRUE(has(page, "<span class=\"none\">undefined</span>"));
  EXPECT_TRUE(has(page, "<span class=\"none\">below the floor</span>"));
}

TEST(Report, PrintsAFactorFarBelowZeroAsItIs) {
  EXPECT_TRUE(has(written(sample()), "\u22121600"));
  EXPECT_TRUE(has(written(sample()), "[\u22121900, \u22121200]"));
}

TEST(Report, PrintsEveryDivergence) {
  const std::string page = written(sample());
  EXPECT_TRUE(has(page, "0.5125<br><small>[0.4, 0.625]</small>"));
  EXPECT_TRUE(has(page, "3.25e\u22129"));
  EXPECT_TRUE(has(page, "0.125<br><small>[0.1, 0.15]</small>"));
}

TEST(Report, HasTheVerdictsOfAStudyUnderItsHeading) {
  Json results = sample();
  results["studies"] = {
      {{"id", "E1"}, {"name", "unload"}, {"question", "q"}, {"object", "o"}, {"rule", "r"}}};
  EXPECT_FALSE(has(written(results), "Verdicts of E1"));
  results["judgements"] = {{{"study", "E1"},
                            {"statement", kHostile},
                            {"verdict", "refuted"},
                            {"holds", 22},
                            {"of", 24},
                            {"cases", "runs"},
                            {"detail", "not for seed 3"}},
                           {{"study", "E2"}, {"statement", "another study's"}}};
  const std::string page = written(results);
  EXPECT_TRUE(has(page, "Verdicts of E1"));
  EXPECT_TRUE(has(page, "22 of 24 runs"));
  EXPECT_TRUE(has(page, "<span class=\"words\">not for seed 3</span>"));
  EXPECT_TRUE(has(page, "<span class=\"chip bad\">refuted</span>"));
  EXPECT_FALSE(has(page, "<b "));
  EXPECT_FALSE(has(page, "another study's"));
}

TEST(Report, SaysThatTheDigestsMatch) {
  EXPECT_TRUE(has(written(sample()), "<h1 id=\"verdict-title\">The digest matches"));
}

TEST(Report, SaysThatADigestDiffers) {
  Json results = sample();
  results["digests"]["E2"] = {{"computed", "abc2"}, {"published", "abc3"}, {"match", false}};
  const std::string page = written(results);
  EXPECT_TRUE(has(page, "1 of 2 studies does not match its published digest"));
  EXPECT_TRUE(has(page, "<code>abc3</code>"));
}

TEST(Report, SaysThatNoDigestIsPublished) {
  Json results = sample();
  results["digests"]["E1"] = {{"computed", "abc1"}, {"published", nullptr}, {"match", nullptr}};
  EXPECT_TRUE(has(written(results), "No published digest to compare with"));
}

TEST(Report, StandsWithoutAnyResult) {
  const std::string page = written({{"schema", kResultsSchema}});
  EXPECT_TRUE(has(page, "These results have no such groups."));
}

TEST(Report, RefusesAnotherSchema) {
  EXPECT_THROW(render_report({{"schema", kResultsSchema - 1}}), FormatError);
  EXPECT_THROW(render_report(Json::array()), FormatError);
}

TEST(ReportNumber, SaysOneOnlyForOne) {
  EXPECT_EQ(report::factor(1.0), "1");
  EXPECT_EQ(report::factor(0.999996), "1 \u2212 4.00e\u22126");
  EXPECT_EQ(report::factor(1.0001), "1 + 1.00e\u22124");
}

TEST(ReportNumber, SaysNoneForNotANumber) {
  EXPECT_EQ(report::number(report::figure({{"x", nullptr}}, "x")), "n/a");
}

TEST(ReportNumber, SaysAllWordsOnlyForAll) {
  EXPECT_EQ(report::percent(1.0), "100 %");
  EXPECT_EQ(report::percent(0.99999), "> 99.9 %");
  EXPECT_EQ(report::percent(0.00001), "< 0.1 %");
  EXPECT_EQ(report::percent(0.25), "25.0 %");
}

TEST(ReportLadder, NeverDrawsAnUndefinedFactorAsANumber) {
  const Json spec = report::ladder_spec(report::panels(sample()["groups"]).at(0));
  for (const Json& datum : spec["data"]["values"]) {
    EXPECT_FALSE(datum["form"] == "words" && datum.contains("x"));
  }
}

TEST(ReportLadder, DrawsAFactorBelowMinusOneAsAnArrow) {
  const Json spec = report::ladder_spec(report::panels(sample()["groups"]).at(0));
  std::size_t arrows = 0;
  for (const Json& datum : spec["data"]["values"]) {
    if (datum["form"] != "arrow") continue;
    ++arrows;
    EXPECT_EQ(datum["x"], -1.0);
    EXPECT_EQ(datum["label"], "\u22121600");
  }
  EXPECT_EQ(arrows, 1u);
}

TEST(ReportLadder, NamesTheVariantOfARollback) {
  Json groups = Json::array();
  for (const char* variant : {"lora", "ia3", ""}) {
    groups.push_back(group("phi", "adam", nullptr, "R17", metric(1, 1, 1)));
    groups.back()["variant"] = variant;
  }
  std::vector<std::string> rows;
  const Json spec = report::ladder_spec(report::panels(groups).at(0));
  for (const Json& datum : spec["data"]["values"]) {
    if (datum["form"] != "title") rows.push_back(datum["row"]);
  }
  EXPECT_EQ(rows, (std::vector<std::string>{"1\tR17 lora\tR17 unload \u03c6, lora",
                                            "2\tR17 ia3\tR17 unload \u03c6, ia3",
                                            "3\tR17\tR17 unload \u03c6"}));
}

TEST(ReportLadder, OrdersByIntensityThenRollback) {
  const report::Panel panel = report::panels(sample()["groups"]).at(0);
  EXPECT_EQ(panel.groups[0]["alpha"], 0.001);
  EXPECT_EQ(panel.groups[1]["rollback"], "R0");
  EXPECT_EQ(panel.groups[2]["rollback"], "R12");
}

TEST(ReportIntensity, HasOneValueForEachIntensity) {
  EXPECT_EQ(report::intensities(report::panels(sample()["groups"]).at(0)).size(), 2u);
}

TEST(Embedded, HasTheDigitsAsGzip) {
  EXPECT_EQ(embedded::digits_csv_gz().size(), 57512u);
  EXPECT_EQ(embedded::digits_csv_gz().substr(0, 2), "\x1f\x8b");
}

TEST(Embedded, HasThePublishedDigestsAsJson) {
  EXPECT_EQ(Json::parse(embedded::digests_json())["schema"], 1);
}

}  // namespace
}  // namespace palinode::experiments
