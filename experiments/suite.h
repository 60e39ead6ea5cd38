// Running studies over seeds, and writing what they found.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/claims.h"
#include "experiments/results.h"
#include "experiments/study.h"

namespace palinode::experiments {

struct SuiteConfig {
  std::vector<const Study*> studies;
  std::uint64_t first_seed = 1;
  std::size_t seeds = 10;
  std::string size = "quick";  // or "full": which published digests apply
  std::string data_path;       // empty: the embedded digits
  Ledger::Level level = Ledger::Level::kDigest;
  std::string out;      // folder for the files; empty: none are written
  std::string command;  // as typed, for the report
  bool quiet = false;
};

inline constexpr std::uint64_t kPublishedSeed = 1;
inline constexpr std::size_t kQuickSeeds = 10, kFullSeeds = 30;

struct DigestCheck {
  std::string computed;
  std::optional<std::string> published;  // none: nothing was published for such a run
  bool mismatch() const { return published && *published != computed; }
};

struct SuiteResult {
  std::vector<Row> rows;  // study by study, seed by seed
  std::vector<Group> groups;
  std::vector<Claim> claims;
  std::map<std::string, DigestCheck> digests;
  std::optional<rbl::Certificate> certificate;  // of the first seed
  std::string data_digest;
  LedgerSummary ledger;          // of the first seed's identity
  std::string outside_contract;  // why digests are not compared; empty if they are
  std::string null_fault;        // empty if the instruments passed E0
  std::string unload_fault;      // empty if every unload was exact

  bool digests_match() const;  // no mismatch
  // Everything but the digests is as it must be.
  bool sound() const {
    return null_fault.empty() && unload_fault.empty() && (!certificate || certificate->exact());
  }
};

// Seeds run on as many threads as there are; the result does not depend on how many.
SuiteResult run_suite(const SuiteConfig& config);

// The object of results.json.
nlohmann::ordered_json results_json(const SuiteConfig& config, const SuiteResult& result);

// results.json, results.csv, certificate.json, report.html, each whole or not at all. Throws
// EnvironmentError naming the file that could not be written.
void write_results(const SuiteConfig& config, const SuiteResult& result);

// The table of groups, the claims and the digest line, for a terminal.
std::string results_text(const SuiteResult& result, bool color);

// Whether the published digests are about such a run: its seeds and data are the default ones, and
// its matrix product is the canonical one.
bool is_published_run(const SuiteConfig& config);

// Published digests with those of this result put in, as the text of experiments/digests.json.
std::string updated_digests(const SuiteConfig& config, const SuiteResult& result);

}  // namespace palinode::experiments
