// The findings page says what results.json says, and nothing else.
#include "experiments/results/findings.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "experiments/results/groups.h"
#include "experiments/suite/suite.h"
#include "tensor/error.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

// E0 and E3 on one seed.
const ordered_json& results() {
  static const ordered_json kResults = [] {
    SuiteConfig config;
    config.studies = {&find_study("E0"), &find_study("E3")};
    config.seeds = 1;
    config.quiet = true;
    config.command = "palinode reproduce --seeds 1";
    config.overrides = {{"", "models=[\"digits-mlp\"]"}, {"E3", "alphas=[0.01, 0.3]"}};
    return results_json(config, run_suite(config));
  }();
  return kResults;
}

bool has(const std::string& page, const std::string& words) {
  return page.find(words) != std::string::npos;
}

TEST(Findings, HaveEveryClaimWithItsVerdictAndRule) {
  const std::string page = render_findings(results());
  ASSERT_EQ(results().at("claims").size(), 11U);
  for (const ordered_json& claim : results().at("claims")) {
    const std::string line = "| " + claim.at("id").get<std::string>() + " | **" +
                             claim.at("verdict").get<std::string>() + "** | " +
                             claim.at("claim").get<std::string>() + " |";
    EXPECT_TRUE(has(page, line)) << line;
    EXPECT_TRUE(has(page, claim.at("rule").get<std::string>()));
  }
}

TEST(Findings, ChangeWhenAClaimChanges) {
  for (std::size_t i = 0; i < 11; ++i) {
    for (const char* field : {"verdict", "claim", "rule", "figure_is", "command"}) {
      ordered_json changed = results();
      changed["claims"][i][field] = "another word";
      EXPECT_NE(render_findings(changed), render_findings(results())) << i << " " << field;
      EXPECT_TRUE(has(render_findings(changed), "another word")) << i << " " << field;
    }
  }
}

TEST(Findings, NameAFigureThatIsNotFinite) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  Claim claim;
  claim.id = "C7";
  claim.figure = claim.lo = -kInf;
  claim.hi = 1;
  ordered_json changed = results();
  changed["claims"][6] = ordered_json::parse(claim_json(claim).dump());
  EXPECT_TRUE(has(render_findings(changed), ": -inf [-inf, 1] |"));
}

TEST(Findings, CountTheVerdicts) {
  ordered_json changed = results();
  for (ordered_json& claim : changed["claims"]) claim["verdict"] = "refuted";
  changed["claims"][4]["verdict"] = "supported";
  EXPECT_TRUE(has(render_findings(changed), "1 supported, 10 refuted, 0 open."));
}

TEST(Findings, HaveTheMeasuredNumberBesideThePapers) {
  ordered_json changed = results();
  for (ordered_json& group : changed["groups"]) {
    if (group["study"] == "E3" && group["rollback"] == "R0" && group["alpha"] == 0.01) {
      group["kl_adapt"] = {{"mean", 0.0625}, {"median", 0.5}, {"lo", 0.03125}, {"hi", 0.125}};
    }
  }
  EXPECT_TRUE(has(render_findings(changed), "0.0625 [0.03125, 0.125]"));
  EXPECT_TRUE(has(render_findings(changed), "6.347 (0.574) | 8.78 (0.655)"));
  EXPECT_FALSE(has(render_findings(results()), "0.0625 [0.03125, 0.125]"));
}

ordered_json curve_of(const char* study, const char* series, double at, const char* quantity,
                      double mean) {
  return {{"study", study},
          {"model", "digits-mlp"},
          {"data", "d"},
          {"series", series},
          {"variable", "v"},
          {"at", at},
          {"quantity", quantity},
          {"n", 3},
          {"undefined", 0},
          {"mean", mean},
          {"median", mean},
          {"lo", mean},
          {"hi", mean}};
}

TEST(Findings, HaveJsOfTheEliminationBesideKlAndThePapersOfBoth) {
  ordered_json changed = results();
  changed["curves"] = {curve_of("E2", "global", 0.2, "kl", 0.125),
                       curve_of("E2", "global", 0.2, "js", 0.0625)};
  const std::string page = render_findings(changed);
  EXPECT_TRUE(has(page, "| share eliminated | paper: KL | KL, global |"));
  EXPECT_TRUE(has(page, "| 0.2 | 0.0103 | 0.125 |"));
  EXPECT_TRUE(has(page, "| share eliminated | paper: JS | JS, global |"));
  EXPECT_TRUE(has(page, "| 0.2 | 0.0767 | 0.0625 |"));
  EXPECT_TRUE(has(page, "| 0.01 | 9.63 |  |"));
}

TEST(Findings, HaveTheShareOfEqualOutputsBesideThePapersTexts) {
  ordered_json changed = results();
  ordered_json group = changed["groups"][0];
  group["study"] = "E9";
  group["locus"] = "theta";
  group["rollback"] = "R6";
  group["variant"] = "60-steps";
  changed["groups"] = ordered_json::array({group});
  const double weights = changed["rows"][0]["words"];
  changed["curves"] = {curve_of("E9", "theta, R6 60-steps", weights, "equal-texts", 0.25),
                       curve_of("E9", "theta, R6 60-steps", weights + 1, "equal-texts", 0.5),
                       curve_of("E9", "theta, R0", weights, "equal-texts", 0.75)};
  const std::string page = render_findings(changed);
  EXPECT_TRUE(has(page, " | 25 % of texts |  |"));
  EXPECT_FALSE(has(page, "75 % of texts"));
  EXPECT_TRUE(has(page, "mutation 30 %, behavioral 100 %"));
}

TEST(Findings, SayHowManyRunsMissedTheirScoreWhereSomeDid) {
  EXPECT_FALSE(has(render_findings(results()), "core missed"));
  ordered_json changed = results();
  for (ordered_json& group : changed["groups"]) {
    if (group["study"] != "E3" || group["alpha"] != 0.01) continue;
    group["n"] = 10;
    group["score_missed"] = 7;
  }
  const std::string page = render_findings(changed);
  EXPECT_TRUE(has(page, "| bits back | score missed | the paper's RF |"));
  EXPECT_TRUE(has(page, " of 10 | 7 of 10 | 0 (direct mutation) |"));
  EXPECT_TRUE(has(page, "| verdict | score missed |"));
  EXPECT_TRUE(has(page, "| nothing | 7 of 10 |\n"));
  EXPECT_TRUE(has(page, "| nothing |  |\n")) << "those of alpha 0.3 reached it";
  const std::string note = "Score missed: adaptations that ran out of steps before their score.";
  EXPECT_TRUE(has(page, note));
  EXPECT_FALSE(has(page.substr(0, page.find("### Recoverability by mechanism")), note));
  // E0's table has none.
  const std::size_t null = page.find("### E0 null: ");
  EXPECT_FALSE(has(page.substr(null, page.find("### E3 noise: ") - null), "core missed"));
}

TEST(Findings, HaveTheMedianBesideTheMeanOfRf) {
  EXPECT_TRUE(has(render_findings(results()), "| RF | RF, median | RF of the weights |"));
  ordered_json changed = results();
  for (ordered_json& group : changed["groups"]) {
    if (group["study"] != "E3" || group["rollback"] != "R6") continue;
    group["rf"] = {{"mean", -0.5}, {"median", 0.25}, {"lo", -0.75}, {"hi", 0.375}};
    EXPECT_TRUE(has(render_findings(changed), "| -0.5 [-0.75, 0.375] | 0.25 |"));
    group["rf"] = nullptr;
    group["rf_state"] = "undefined";
    EXPECT_TRUE(has(render_findings(changed), "| undefined |  |"));
    return;
  }
  FAIL() << "no group of R6";
}

TEST(Findings, SayOverHowManySeedsAMeanIsWhereOthersOfItsSeriesHaveMore) {
  const auto curve = [](const char* series, double at, int n, int undefined, double mean) {
    return ordered_json{{"study", "E0"},    {"model", "m"},    {"data", "d"},
                        {"series", series}, {"variable", "v"}, {"at", at},
                        {"quantity", "q"},  {"n", n},          {"undefined", undefined},
                        {"mean", mean},     {"median", mean},  {"lo", mean},
                        {"hi", mean}};
  };
  ordered_json changed = results();
  changed["curves"] = {curve("short", 1, 3, 0, 0.5), curve("short", 2, 3, 0, 0.25),
                       curve("long", 1, 20, 0, 353), curve("long", 2, 20, 15, 354),
                       curve("long", 3, 1, 0, 355)};
  const std::string page = render_findings(changed);
  EXPECT_TRUE(has(page, "| short | 0.5 | 0.25 |  |\n"));
  EXPECT_TRUE(has(page, "| long | 353 | 354 (n=5) | 355 (n=1) |\n"));
  // Beyond five places there are no intervals, and n stays.
  for (int at = 4; at < 8; ++at) changed["curves"].push_back(curve("long", at, 19, 0, 356));
  EXPECT_TRUE(has(render_findings(changed),
                  "| long | 353 | 354 (n=5) | 355 (n=1) | 356 (n=19) | 356 (n=19) |"));
}

TEST(Findings, SayWhichIntervalsAreHierarchical) {
  EXPECT_TRUE(has(render_findings(results()),
                  "those of KL, JS and RF in the tables of rollbacks and of mutation intensity are "
                  "hierarchical, seeds and then probes; all others, those of curves among them, "
                  "resample seeds."));
}

TEST(Findings, HaveAPartForEveryStudyOfTheResults) {
  const std::string page = render_findings(results());
  EXPECT_TRUE(has(page, "### E0 null: "));
  EXPECT_TRUE(has(page, "### E3 noise: "));
  EXPECT_FALSE(has(page, "### E4 "));
  EXPECT_TRUE(has(page, "`palinode reproduce --seeds 1`"));
}

TEST(Findings, HaveTheVerdictsOfAStudyUnderItsRule) {
  const std::string page = render_findings(results());
  std::size_t rule = page.find("Rule: holds if every null row");
  ASSERT_NE(rule, std::string::npos);
  EXPECT_TRUE(page.substr(page.find("\n\n", rule) + 2)
                  .starts_with("- **supported**: every null reads KL = JS = 0 exactly, and its RF "
                               "is undefined (4 of 4 runs).\n- **supported**: every planted leak"))
      << page.substr(rule, 400);
  ordered_json changed = results();
  ordered_json& first = changed["judgements"][0];
  first["verdict"] = "refuted";
  first["holds"] = 3;
  first["detail"] = "not for seed 5: KL 1e-9";
  EXPECT_TRUE(has(render_findings(changed),
                  "- **refuted**: every null reads KL = JS = 0 exactly, and its RF is undefined (3 "
                  "of 4 runs); not for seed 5: KL 1e-9.\n"));
  first["of"] = first["holds"] = 0;
  EXPECT_TRUE(has(render_findings(changed), "its RF is undefined; not for seed 5"));
}

TEST(Findings, HaveTheEntropyOfEachModel) {
  ordered_json changed = results();
  for (ordered_json& curve : changed["curves"]) {
    if (curve["quantity"] == "entropy" && curve["at"] == 2.0) curve["mean"] = 0.375;
  }
  EXPECT_TRUE(has(render_findings(changed), "| digits-mlp | 2 | 0.375 | "));
}

TEST(Findings, SayHowLargeTheModelsAreAndOnHowManySeedsTheyRan) {
  const std::string page = render_findings(results());
  EXPECT_TRUE(has(page, "| mlp-64-64-10 | digits | 4810 | 1 |"));
  EXPECT_TRUE(has(page, "The models have 4810 to 4810 weights."));
  ordered_json changed = results();
  changed["rows"].push_back(changed["rows"][0]);
  changed["rows"].back()["seed"] = 2;
  changed["rows"].push_back(changed["rows"][0]);
  changed["rows"].back()["model"] = "larger";
  changed["rows"].back()["words"] = 5000;
  EXPECT_TRUE(has(render_findings(changed),
                  "| mlp-64-64-10 | digits | 4810 | 2 |\n| larger | digits | 5000 | 1 |\n"));
  EXPECT_TRUE(has(render_findings(changed), "The models have 4810 to 5000 weights."));
}

TEST(Findings, AreTheSameBytesForTheSameResults) {
  EXPECT_EQ(render_findings(results()), render_findings(ordered_json::parse(results().dump())));
}

TEST(Findings, KeepABarInsideItsCell) {
  ordered_json changed = results();
  changed["claims"][0]["claim"] = "a | b";
  EXPECT_TRUE(has(render_findings(changed), " a \\| b |"));
}

TEST(FindingsCommand, PrintsThePage) {
  const std::string path = temporary("findings.json", results().dump());
  const Ended ended = run({"findings", path.c_str()});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out, render_findings(results()));
}

TEST(FindingsCommand, RefusesWhatAreNoResultsOfThisSchema) {
  ordered_json older = results(), bare = {{"schema", kResultsSchema}}, worded = results();
  older["schema"] = kResultsSchema - 1;
  worded["schema"] = std::to_string(kResultsSchema);
  const std::string whole = results().dump();
  for (const std::string& text : {older.dump(), bare.dump(), worded.dump(), std::string("[]"),
                                  std::string(), whole.substr(0, whole.size() / 2)}) {
    const std::string path = temporary("broken.json", text);
    const Ended ended = run({"findings", path.c_str()});
    EXPECT_EQ(ended.code, 3) << text.substr(0, 40);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(ended.err.starts_with("palinode: ")) << ended.err;
  }
  expect_one_line(run({"findings", "/nonexistent.json"}), 3, "/nonexistent.json");
}

}  // namespace
}  // namespace palinode::experiments
