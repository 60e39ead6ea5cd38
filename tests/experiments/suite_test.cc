// Whole runs: what the studies must show, and that nothing but the seed and the data changes their
// bits.
#include "experiments/suite/suite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "rbl/behavior.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

SuiteConfig config_of(std::initializer_list<const char*> names, std::size_t seeds) {
  SuiteConfig config;
  for (const char* name : names) config.studies.push_back(&find_study(name));
  config.seeds = seeds;
  config.quiet = true;
  config.overrides = {{"", "models=[\"digits-mlp\"]"}};
  return config;
}

// The studies of the paper's mechanisms on two seeds of one small model, run once.
const SuiteResult& small() {
  static const SuiteResult kResult = run_suite(config_of({"E0", "E1", "E3", "E4", "E5"}, 2));
  return kResult;
}

TEST(Studies, UnloadIsExactOnEverySeedForEveryMechanism) {
  std::size_t unloads = 0;
  for (const Row& row : small().rows) {
    if (row.rollback != "R17" || row.study == "E0") continue;  // E0's adapter has learned nothing
    ++unloads;
    EXPECT_TRUE(row.logits_bit_equal);
    EXPECT_EQ(row.words_changed, 0U);
    EXPECT_EQ(row.kl_rec, 0);
    EXPECT_EQ(row.js_rec, 0);
    EXPECT_EQ(row.rf.value, 1);
    EXPECT_GT(row.kl_adapt, 0);
    EXPECT_EQ(row.theta_fingerprint_after, row.theta_fingerprint_before);
  }
  // A seed of E1 has two adaptations, every kind that can enter, a nest and a swap; of E3 four
  // alphas; of E4 three optimizers; of E5 policy gradient to
  // the score, and it and Adam to a divergence.
  Subjects subjects{Options{}};
  const nn::Network& network = *subjects.get("digits-mlp", 1).network;
  const auto kinds = std::ranges::count_if(
      rbl::behavior_kinds(),
      [&network](const rbl::BehaviorKind& kind) { return !kind.sites(network).empty(); });
  EXPECT_GT(kinds, 3);
  EXPECT_EQ(unloads, 2U * (2 + static_cast<std::size_t>(kinds) + 2 + 4 + 3 + 3));
}

TEST(Studies, DoingNothingRecoversNothing) {
  for (const Row& row : small().rows) {
    if (row.rollback == "R0" && row.study != "E0") {
      EXPECT_EQ(row.rf.value, 0);
      EXPECT_EQ(row.rf.state, rbl::Recoverability::State::kValue);
    }
  }
}

TEST(Studies, FineTuningBackIsInBetweenAndLeavesEveryWordChanged) {
  for (const Row& row : small().rows) {
    if (row.rollback != "R6" || row.mechanism == "noise") continue;
    EXPECT_GT(row.rf.value, 0) << row.study << " " << row.mechanism << " " << row.variant;
    EXPECT_LT(row.rf.value, 1);
    EXPECT_GT(row.words_changed, row.words * 999 / 1000);
  }
}

TEST(Studies, ASnapshotIsExactAndCostsTheWholeIdentity) {
  for (const Row& row : small().rows) {
    if (row.rollback != "R1") continue;
    EXPECT_EQ(row.words_changed, 0U);
    EXPECT_EQ(row.kl_rec, 0);
    EXPECT_EQ(row.bytes_kept, row.bytes_snapshot);
  }
}

TEST(Studies, EveryAdaptationReachesItsScore) {
  for (const Row& row : small().rows) {
    if ((row.study != "E4" && row.study != "E5") || row.alpha) continue;
    EXPECT_GT(row.task_metric_adapt, 0.85) << row.study << " " << row.mechanism;
    EXPECT_LT(row.task_metric_base, 0.2);
    EXPECT_GT(row.identity_metric_base, 0.93);
  }
}

TEST(Studies, PolicyGradientIsThereForBothLoci) {
  std::size_t theta = 0, phi = 0;
  for (const Row& row : small().rows) {
    if (row.mechanism != "policy-gradient") continue;
    (row.locus == "theta" ? theta : phi) += 1;
  }
  const Settings settings(find_study("E5").knobs, Size::kQuick);
  EXPECT_EQ(theta, 2U * settings.words("arms").size());
  EXPECT_EQ(phi, 2U * 2);
}

TEST(Rows, HaveEachDivergenceOnTheSameResamplesOfTheProbes) {
  const auto near = [](const std::vector<double>& resampled, double mean) {
    ASSERT_EQ(resampled.size(), kResampledProbes);
    const auto [least, most] = std::ranges::minmax(resampled);
    EXPECT_LE(least, mean);
    EXPECT_GE(most, mean);
  };
  for (const Row& row : small().rows) {
    near(row.kl_adapt_resampled, row.kl_adapt);
    near(row.js_adapt_resampled, row.js_adapt);
    near(row.kl_rec_resampled, row.kl_rec);
    near(row.js_rec_resampled, row.js_rec);
    if (row.rollback == "R0" && row.locus == "theta" && row.mechanism != "planted-leak") {
      EXPECT_EQ(row.kl_rec_resampled, row.kl_adapt_resampled) << row.study << row.mechanism;
      EXPECT_EQ(row.js_rec_resampled, row.js_adapt_resampled) << row.study << row.mechanism;
    }
  }
}

TEST(Studies, TheInstrumentsPassTheNull) { EXPECT_TRUE(small().faults.empty()); }

TEST(NullTest, ConvictsAnInstrumentThatReadsAboveZeroOrMissesALeak) {
  std::vector<Row> rows = small().rows;
  rows[0].kl_adapt = 1e-300;
  EXPECT_NE(find_study("E0").fault(rows, {}), "");
  rows = small().rows;
  for (Row& row : rows) {
    if (row.mechanism == "planted-leak") row.kl_adapt = 0;
  }
  EXPECT_NE(find_study("E0").fault(rows, {}), "");
}

TEST(Claims, AreJudgedByTheData) {
  const auto verdict = [](const SuiteResult& result, std::string_view id) {
    for (const Claim& claim : result.claims) {
      if (claim.id == id) return verdict_name(claim.verdict);
    }
    return std::string_view("missing");
  };
  EXPECT_EQ(small().claims.size(), 11U);
  EXPECT_EQ(verdict(small(), "C1"), "supported");
  EXPECT_EQ(verdict(small(), "C2"), "refuted");
  EXPECT_EQ(verdict(small(), "C7"), "refuted");
  EXPECT_EQ(verdict(small(), "C6"), "open");

  // With one unload that left a bit behind, and with a rollback that recovers nothing, the verdicts
  // turn.
  std::vector<Row> rows = small().rows;
  for (Row& row : rows) {
    if (row.rollback == "R17") row.logits_bit_equal = false;
    if (row.rollback == "R1") continue;
    row.rf = rbl::recoverability(1, 1);
    row.kl_rec_resampled = row.kl_adapt_resampled;
  }
  SuiteResult bent;
  bent.groups = group_rows(rows);
  bent.claims = judge_claims(bent.groups, {});
  EXPECT_EQ(verdict(bent, "C1"), "refuted");
  EXPECT_EQ(verdict(bent, "C11"), "refuted");
  EXPECT_EQ(verdict(bent, "C2"), "open");
  EXPECT_EQ(verdict(bent, "C7"), "open");
}

TEST(Verdicts, AreGivenForEveryStudyOfTheRun) {
  const auto verdict = [](const char* study, std::string_view words) {
    for (const Judgement& judgement : small().judgements) {
      if (judgement.study == study && judgement.statement.find(words) != std::string::npos) {
        return verdict_name(judgement.verdict);
      }
    }
    return std::string_view("missing");
  };
  EXPECT_EQ(verdict("E0", "null"), "supported");
  EXPECT_EQ(verdict("E0", "leak"), "supported");
  EXPECT_EQ(verdict("E1", "unload"), "supported");
  EXPECT_EQ(verdict("E3", "RF is 0"), "refuted");
  EXPECT_EQ(verdict("E4", "RF is 0"), "refuted");
  EXPECT_EQ(verdict("E5", "on phi"), "supported");
  EXPECT_EQ(verdict("E2", ""), "missing");
  const SuiteConfig config = config_of({"E0", "E1", "E3", "E4", "E5"}, 2);
  const nlohmann::ordered_json json = results_json(config, small());
  EXPECT_EQ(json.at("judgements").size(), small().judgements.size());
  EXPECT_NE(results_text(small(), false)
                .find("E1   supported after an unload every bit is that of before ("),
            std::string::npos)
      << results_text(small(), false);
}

TEST(SameBits, WhateverTheThreadsAndTheInstructionSet) {
  SuiteConfig config = config_of({"E3", "E4"}, 1);
  config.overrides.push_back({"E3", "alphas=[0.1]"});
  config.overrides.push_back({"E4", "mechanisms=[\"adam\"]"});
  config.overrides.push_back({"E4", "arms=[\"R0\"]"});
  std::map<std::string, std::string> want;
  const auto digests = [&] {
    std::map<std::string, std::string> all;
    for (const auto& [study, check] : run_suite(config).digests) all[study] = check.computed;
    return all;
  };
  want = digests();
  for_each_simd([&] { EXPECT_EQ(digests(), want) << simd_name(active_simd()); });
  config.level = Ledger::Level::kOff;
  EXPECT_EQ(digests(), want) << "ledger off";
}

TEST(SameBits, WhateverTheThreadsThatShareTheSeeds) {
  SuiteConfig config = config_of({"E3"}, 3);
  config.overrides.push_back({"E3", "alphas=[0.1]"});
  std::map<std::string, std::string> want;
  const std::size_t before = threads();
  for (const std::size_t count : {1U, 2U, 7U}) {
    set_threads(count);
    std::map<std::string, std::string> all;
    for (const auto& [study, check] : run_suite(config).digests) all[study] = check.computed;
    if (want.empty()) want = all;
    EXPECT_EQ(all, want) << count << " threads";
  }
  set_threads(before);
}

TEST(Digest, DependsOnEveryFieldButTheWallTime) {
  const std::string before = row_digest(small().rows.back());
  const auto changed = [&before](auto change) {
    Row row = small().rows.back();
    change(row);
    return row_digest(row) != before;
  };
  EXPECT_FALSE(changed([](Row& r) { r.seconds += 1; }));
  for (std::string Row::*field :
       {&Row::study, &Row::model, &Row::data, &Row::locus, &Row::mechanism, &Row::rollback,
        &Row::variant, &Row::theta_fingerprint_before, &Row::theta_fingerprint_after,
        &Row::phi_digest}) {
    EXPECT_TRUE(changed([field](Row& r) { r.*field += "x"; }));
  }
  for (double Row::*field :
       {&Row::kl_adapt, &Row::js_adapt, &Row::kl_rec, &Row::js_rec, &Row::ils_mean, &Row::ils_max,
        &Row::flops, &Row::top1_changed, &Row::distance_adapt, &Row::distance_rec,
        &Row::task_metric_base, &Row::task_metric_adapt, &Row::task_metric_rec,
        &Row::identity_metric_base, &Row::identity_metric_adapt, &Row::identity_metric_rec}) {
    EXPECT_TRUE(changed([field](Row& r) { r.*field = r.*field * (1 + 0x1p-52) + 1e-300; }));
    EXPECT_TRUE(changed([field](Row& r) { r.*field = std::numeric_limits<double>::infinity(); }));
  }
  for (std::uint64_t Row::*field :
       {&Row::seed, &Row::ils_flagged, &Row::words_changed, &Row::words, &Row::steps,
        &Row::bytes_kept, &Row::bytes_snapshot, &Row::bytes_behavior, &Row::passes}) {
    EXPECT_TRUE(changed([field](Row& r) { r.*field += 1; }));
  }
  EXPECT_TRUE(changed([](Row& r) { r.alpha = 0.375; }));
  EXPECT_TRUE(changed([](Row& r) { r.logits_bit_equal = !r.logits_bit_equal; }));
  EXPECT_TRUE(changed([](Row& r) { r.score_reached = !r.score_reached; }));
  EXPECT_TRUE(changed([](Row& r) { r.rf.value = 0.5; }));
  EXPECT_TRUE(changed([](Row& r) { r.rf_geometry = {rbl::Recoverability::State::kValue, 0.625}; }));
  for (std::vector<double> Row::*field : {&Row::kl_adapt_resampled, &Row::js_adapt_resampled,
                                          &Row::kl_rec_resampled, &Row::js_rec_resampled}) {
    EXPECT_TRUE(changed([field](Row& r) { (r.*field).push_back(0.5); }));
  }
  EXPECT_TRUE(changed([](Row& r) { r.svar = 0.5; }));
}

TEST(Studies, AnUnloadThatLeavesSomethingIsNamed) {
  EXPECT_EQ(unload_fault(small().rows), "");
  std::vector<Row> rows = small().rows;
  for (Row& row : rows) row.logits_bit_equal = false;
  EXPECT_NE(unload_fault(rows), "");
}

TEST(Files, AreWrittenWholeAndAgreeWithTheResult) {
  SuiteConfig config = config_of({"E0", "E1"}, 1);
  config.overrides.push_back({"E1", "kind_steps=3"});
  config.out = testing::TempDir() + "/palinode-files";
  const SuiteResult result = run_suite(config);
  write_results(config, result);
  std::ifstream file(config.out + "/results.json");
  const nlohmann::json json = nlohmann::json::parse(file);
  EXPECT_EQ(json.at("schema"), kResultsSchema);
  EXPECT_EQ(json.at("rows").size(), result.rows.size());
  EXPECT_EQ(json.at("claims").size(), 11U);
  EXPECT_EQ(json.at("rows")[0].at("rf"), nullptr);
  EXPECT_EQ(json.at("rows")[0].at("rf_state"), "undefined");
  for (const char* field : {"study",
                            "model",
                            "data",
                            "locus",
                            "mechanism",
                            "rollback",
                            "seed",
                            "kl_adapt",
                            "js_adapt",
                            "kl_rec",
                            "js_rec",
                            "rf",
                            "rf_state",
                            "ils_mean",
                            "ils_flagged",
                            "svar",
                            "top1_changed",
                            "logits_bit_equal",
                            "words_changed",
                            "theta_fingerprint_before",
                            "theta_fingerprint_after",
                            "phi_digest",
                            "task_metric_base",
                            "task_metric_adapt",
                            "task_metric_rec",
                            "bytes_kept",
                            "bytes_snapshot",
                            "bytes_behavior",
                            "seconds",
                            "digest"}) {
    EXPECT_TRUE(json.at("rows")[0].contains(field)) << field;
  }
  EXPECT_TRUE(verify_ledger(config.out + "/ledger.jsonl").intact);
  for (const char* name :
       {"results.csv", "curves.csv", "results.db", "certificate.json", "report.html"}) {
    EXPECT_GT(std::filesystem::file_size(config.out + "/" + name), 100U) << name;
  }
  EXPECT_EQ(json.at("points").size(), result.points.size());
  EXPECT_EQ(json.at("settings").at("E1").at("kind_steps"), 3);
  for (const char* name : {"results.json.partial", "results.db.partial", "cells.jsonl"}) {
    EXPECT_FALSE(std::filesystem::exists(config.out + "/" + name)) << name;
  }
  std::filesystem::remove_all(config.out);
}

}  // namespace
}  // namespace palinode::experiments
