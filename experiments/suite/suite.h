// Running studies over models and seeds, and writing what they found.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/results/claims.h"
#include "experiments/results/groups.h"
#include "experiments/studies/study.h"
#include "experiments/suite/peers.h"
#include "experiments/suite/plan.h"

namespace palinode::experiments {

inline constexpr std::uint64_t kPublishedSeed = 1;

struct SuiteConfig {
  std::vector<const Study*> studies;
  std::uint64_t first_seed = kPublishedSeed;
  std::uint64_t seeds = 0;          // of every model; 0: the studies' own
  Size size = Size::kQuick;         // which values of the knobs, and which published digests
  std::vector<Override> overrides;  // of a study, or (without one) of every study that has it
  std::string data_path;            // empty: the embedded digits
  Ledger::Level level = Ledger::Level::kDigest;
  std::string out;      // folder for the files; empty: none are written
  std::string command;  // as typed, for the report
  bool quiet = false;
  bool fresh = false;      // do not go on with what an earlier run has finished
  Peers* peers = nullptr;  // none: alone
};

// The settings of each study, with the overrides. Throws UsageError for an override of a study, a
// setting or a model that is not there.
std::vector<StudyPlan> study_plans(const SuiteConfig& config);

struct DigestCheck {
  std::string computed;
  std::optional<std::string> published;  // none: nothing was published for such a run
  bool mismatch() const { return published && *published != computed; }
};

struct LedgerSummary {
  std::uint64_t records = 0;
  Sha256Digest head{};
};

struct SuiteResult {
  std::vector<StudyPlan> plans;
  std::vector<Row> rows;      // study by study, model by model, seed by seed
  std::vector<Point> points;  // likewise
  std::vector<Group> groups;
  std::vector<CurvePoint> curves;
  std::vector<Claim> claims;
  std::vector<Judgement> judgements;  // study by study, in the order of its rule
  std::map<std::string, DigestCheck> digests;
  std::optional<rbl::Certificate> certificate;  // of the first seed
  std::string data_digest;
  LedgerSummary ledger;                   // of the first seed's identity
  std::string outside_contract;           // why digests are not compared; empty if they are
  std::vector<std::string> faults;        // of studies that check instruments
  std::string unload_fault;               // empty if every unload was exact
  std::map<std::string, double> seconds;  // mean of a cell, by "E4/digits-mlp"

  bool digests_match() const;  // no mismatch
  // Everything but the digests is as it must be.
  bool sound() const {
    return faults.empty() && unload_fault.empty() && (!certificate || certificate->exact());
  }
};

// Cells run on as many threads as there are, and on all peers; the result does not depend on how
// many. With a folder, what is finished is kept there until all is (cells.h). With peers the whole
// result is on each.
SuiteResult run_suite(const SuiteConfig& config);

// The command that gives a claim's figure again, as in this run: its size, seeds, settings, data
// and matrix product. Empty if no study of the run bears on the claim.
std::string claim_command(const SuiteConfig& config, const Claim& claim);

// The object of results.json.
nlohmann::ordered_json results_json(const SuiteConfig& config, const SuiteResult& result);

// results.json, results.csv, curves.csv, results.db, certificate.json, report.html, each whole or
// not at all. Throws EnvironmentError naming the file that could not be written.
void write_results(const SuiteConfig& config, const SuiteResult& result);

// The table of groups, the claims, the studies' verdicts and the digest line, for a terminal.
std::string results_text(const SuiteResult& result, bool color);

// Whether the published digests are about such a run: its seeds, settings and data are the default
// ones, and its matrix product is the canonical one.
bool is_published_run(const SuiteConfig& config);

// Published digests with those of this result put in, as the text of experiments/digests.json; and
// the costs, as that of experiments/costs.json.
std::string updated_digests(const SuiteConfig& config, const SuiteResult& result);
std::string updated_costs(const SuiteConfig& config, const SuiteResult& result);

}  // namespace palinode::experiments
