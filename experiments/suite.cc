#include "experiments/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/embedded.h"
#include "experiments/environment.h"
#include "experiments/progress.h"
#include "experiments/report.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/gemm.h"
#include "tensor/parallel.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

// What is published under a name; "none" if such a run should have a digest and has none.
std::optional<std::string> published_digest(const SuiteConfig& config, std::string_view study) {
  if (!is_published_run(config)) return std::nullopt;
  const ordered_json published = ordered_json::parse(embedded::digests_json());
  const ordered_json& of_size = published.at(config.size);
  const auto found = of_size.find(study);
  return found == of_size.end() ? "none" : found->get<std::string>();
}

// Intervals and verdicts are results too.
std::string summary_digest(const SuiteResult& result) {
  ordered_json j;
  for (const Group& group : result.groups) j.push_back(group_json(group));
  for (const Claim& claim : result.claims) j.push_back(claim_json(claim));
  return hex(sha256(j.dump()));
}

// One seed: its identity once, then every study on it.
std::vector<Outcome> run_seed(const SuiteConfig& config, const Digits& digits, std::size_t index,
                              Progress& progress, LedgerSummary& ledger) {
  Options options{.level = config.level};
  if (index == 0 && !config.out.empty() && config.level != Ledger::Level::kOff) {
    options.ledger_path = config.out + "/ledger.jsonl";
  }
  std::vector<Outcome> outcomes;
  const auto run = [&](const Identity& identity) {
    for (const Study* study : config.studies) {
      outcomes.push_back(study->run(identity));
      progress.advance();
    }
  };
  const LedgerSummary summary = with_identity(config.first_seed + index, digits, options, run);
  if (index == 0) ledger = summary;
  return outcomes;
}

// A ledger or certificate of another run would mislead beside this one's results.
void remove_leftovers(const std::string& out) {
  for (const char* name : {"/ledger.jsonl", "/certificate.json"}) {
    std::error_code error;
    std::filesystem::remove(out + name, error);
    if (error) {
      throw EnvironmentError(fmt::format("cannot remove {}{}: {}", out, name, error.message()));
    }
  }
}

ordered_json certificate_json(const SuiteConfig& config, const rbl::Certificate& c) {
  ordered_json j;
  j["schema"] = 1;
  j["exact"] = c.exact();
  j["backend"] = gemm_name(active_gemm());
  j["probes"] = c.probes;
  j["seed"] = config.first_seed;
  j["fingerprint"] = {{"before", hex(c.fingerprint_before)},
                      {"during", hex(c.fingerprint_during)},
                      {"after", hex(c.fingerprint_after)}};
  j["logits_xxh3"] = {{"before", hex(c.logits_before)},
                      {"during", hex(c.logits_during)},
                      {"after", hex(c.logits_after)}};
  j["during"] = {{"kl", c.kl_during}, {"js", c.js_during}};
  j["after"] = {{"kl", c.kl_after}, {"js", c.js_after}};
  j["command"] = fmt::format("palinode study run E1 --seed {}", config.first_seed);
  return j;
}

}  // namespace

bool is_published_run(const SuiteConfig& config) {
  const std::size_t seeds = config.size == "full" ? kFullSeeds : kQuickSeeds;
  return config.first_seed == kPublishedSeed && config.seeds == seeds && config.data_path.empty() &&
         active_gemm() == Gemm::kCanonical;
}

bool SuiteResult::digests_match() const {
  return std::ranges::none_of(digests, [](const auto& item) { return item.second.mismatch(); });
}

SuiteResult run_suite(const SuiteConfig& config) {
  if (!config.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(config.out, error);
    if (error) {
      throw EnvironmentError(fmt::format("cannot make {}: {}", config.out, error.message()));
    }
  }
  const Digits digits =
      make_tasks(config.data_path.empty() ? embedded_digits() : read_digits(config.data_path));
  if (!config.out.empty()) remove_leftovers(config.out);
  std::vector<std::vector<Outcome>> by_seed(config.seeds);
  SuiteResult result;
  {
    Progress progress("studies", config.seeds * config.studies.size(), config.quiet);
    parallel_jobs(config.seeds, [&](std::size_t index) {
      by_seed[index] = run_seed(config, digits, index, progress, result.ledger);
    });
  }
  result.data_digest = digits.digest;
  result.outside_contract = gemm_warning();
  for (std::size_t s = 0; s < config.studies.size(); ++s) {
    const std::size_t first = result.rows.size();
    for (std::vector<Outcome>& outcomes : by_seed) {
      Outcome& outcome = outcomes[s];
      if (outcome.certificate && !result.certificate) result.certificate = outcome.certificate;
      for (Row& row : outcome.rows) {
        row.backend = gemm_name(active_gemm());
        result.rows.push_back(std::move(row));
      }
    }
    const std::string id(config.studies[s]->id);
    result.digests[id] = {study_digest(std::span<const Row>(result.rows).subspan(first)),
                          published_digest(config, id)};
  }
  result.groups = group_rows(result.rows);
  result.claims = judge_claims(result.groups);
  result.null_fault = null_fault(result.rows);
  result.unload_fault = unload_fault(result.rows);
  if (config.studies.size() == studies().size()) {
    result.digests["summary"] = {summary_digest(result), published_digest(config, "summary")};
  }
  return result;
}

ordered_json results_json(const SuiteConfig& config, const SuiteResult& result) {
  ordered_json j;
  j["schema"] = 1;
  j["version"] = version();
  j["environment"] = environment_json();
  j["environment"]["command"] = config.command;
  j["environment"]["seed"] = config.first_seed;
  j["environment"]["seeds"] = config.seeds;
  j["environment"]["quick"] = config.size == "quick";
  j["environment"]["data_digest"] = result.data_digest;
  if (!result.outside_contract.empty()) j["environment"]["warning"] = result.outside_contract;
  j["digests"] = ordered_json::object();
  for (const auto& [study, check] : result.digests) {
    ordered_json d{{"computed", check.computed}, {"published", nullptr}, {"match", nullptr}};
    if (check.published) {
      d["published"] = *check.published;
      d["match"] = !check.mismatch();
    }
    j["digests"][study] = d;
  }
  j["ledger"] = {{"records", result.ledger.records}, {"head", hex(result.ledger.head)}};
  for (const char* part : {"rows", "groups", "claims"}) j[part] = ordered_json::array();
  for (const Row& row : result.rows) j["rows"].push_back(row_json(row));
  for (const Group& group : result.groups) j["groups"].push_back(group_json(group));
  for (const Claim& claim : result.claims) j["claims"].push_back(claim_json(claim));
  return j;
}

void write_results(const SuiteConfig& config, const SuiteResult& result) {
  const ordered_json json = results_json(config, result);
  write_file_atomically(config.out + "/results.json", json.dump(1) + "\n");
  write_file_atomically(config.out + "/results.csv", rows_csv(result.rows));
  if (result.certificate) {
    write_file_atomically(config.out + "/certificate.json",
                          certificate_json(config, *result.certificate).dump(1) + "\n");
  }
  write_file_atomically(config.out + "/report.html", render_report(nlohmann::json(json)));
}

std::string updated_digests(const SuiteConfig& config, const SuiteResult& result) {
  ordered_json published = ordered_json::parse(embedded::digests_json());
  for (const auto& [study, check] : result.digests) published[config.size][study] = check.computed;
  return published.dump(2) + "\n";
}

}  // namespace palinode::experiments
