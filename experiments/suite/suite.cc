#include "experiments/suite/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "experiments/digits.h"
#include "experiments/embedded.h"
#include "experiments/environment.h"
#include "experiments/report.h"
#include "experiments/results/database.h"
#include "experiments/suite/cells.h"
#include "experiments/suite/progress.h"
#include "experiments/usage_error.h"
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
  const ordered_json& of_size = published.at(std::string(size_name(config.size)));
  const auto found = of_size.find(study);
  return found == of_size.end() ? "none" : found->get<std::string>();
}

// Intervals and verdicts are results too. A claim's command depends on how the run was asked for:
// here it is that of a quick run, whatever the size.
std::string summary_digest(const SuiteResult& result) {
  SuiteConfig quick;
  for (const Study& study : studies()) quick.studies.push_back(&study);
  ordered_json j;
  for (const Group& group : result.groups) j.push_back(group_json(group));
  for (const CurvePoint& curve : result.curves) j.push_back(curve_json(curve));
  for (Claim claim : result.claims) {
    claim.command = claim_command(quick, claim);
    j.push_back(claim_json(claim));
  }
  for (const Judgement& judgement : result.judgements) j.push_back(judgement_json(judgement));
  return hex(sha256(j.dump()));
}

// All that can change a result, for telling runs apart.
std::string settings_digest(const SuiteConfig& config, std::span<const StudyPlan> plans,
                            const std::string& data_digest) {
  ordered_json j;
  for (const StudyPlan& plan : plans) j[std::string(plan.study->id)] = plan.settings.json();
  j["size"] = size_name(config.size);
  j["seed"] = config.first_seed;
  j["seeds"] = config.seeds;
  j["data"] = data_digest;
  j["gemm"] = gemm_name(active_gemm());
  j["ledger"] = static_cast<int>(config.level);
  return hex(sha256(j.dump()));
}

using Finished = std::map<std::string, FinishedCell>;

// Runs this peer's share of what is missing.
void run_cells(const SuiteConfig& config, std::span<const StudyPlan> plans,
               std::span<const PlannedCell> cells, Subjects& subjects, CellFile& file,
               Finished& finished, Peers& peers) {
  std::vector<PlannedCell> missing;
  for (const PlannedCell& cell : cells) {
    if (!finished.contains(cell.key)) missing.push_back(cell);
  }
  const std::vector<std::size_t> mine = share_of(missing, peers.rank(), peers.size());
  StudyProgress progress(plans, missing, mine, cells.size() - missing.size(), config.quiet);
  std::mutex mutex;
  parallel_jobs(mine.size(), [&](std::size_t index) {
    const PlannedCell& planned = missing[mine[index]];
    const StudyPlan& plan = plans[planned.study];
    if (is_subject(planned.model)) subjects.get(planned.model, planned.seed);
    const auto start = std::chrono::steady_clock::now();
    FinishedCell cell;
    try {
      cell.outcome =
          plan.study->run(Cell(*plan.study, plan.settings, planned.model, planned.seed, subjects));
    } catch (const NonFiniteError& error) {  // a training that diverged
      throw NonFiniteError(fmt::format("{}: {}", planned.key, error.what()));
    }
    for (Row& row : cell.outcome.rows) row.backend = gemm_name(active_gemm());
    cell.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    file.append(planned.key, cell);
    progress.advance(planned);
    const std::scoped_lock lock(mutex);
    finished[planned.key] = std::move(cell);
  });
}

// What every peer has finished, on every peer.
void share(const CellFile& file, Finished& finished, Peers& peers) {
  if (peers.size() == 1) return;
  std::string mine;
  for (const auto& [key, cell] : finished) mine += file.line(key, cell);
  for (const std::string& lines : peers.exchange(mine)) finished.merge(file.read(lines));
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

// Its models are those of the table, or of its own.
void check_models(const Study& study, const Settings& settings) {
  Words known;
  for (const SubjectInfo& info : subject_infos()) known.emplace_back(info.name);
  for (const Size size : {Size::kQuick, Size::kFull}) {
    const Settings usual(study.knobs, size);
    for (const std::string& own : usual.words("models")) {
      if (std::ranges::find(known, own) == known.end()) known.push_back(own);
    }
  }
  for (const std::string& model : settings.words("models")) {
    if (std::ranges::find(known, model) != known.end()) continue;
    throw UsageError(fmt::format("{}: unknown model \"{}\"; there are {}", study.id, model,
                                 fmt::join(known, ", ")));
  }
}

const Study* named_by(const Override& change) {
  if (change.study.empty()) return nullptr;
  try {
    return &find_study(change.study);
  } catch (const NameError& error) {
    throw UsageError(error.what());
  }
}

void apply(const Override& change, std::vector<StudyPlan>& plans) {
  const std::string name = change.assignment.substr(0, change.assignment.find('='));
  std::size_t taken = 0;
  const Study* named = named_by(change);
  for (StudyPlan& plan : plans) {
    if (named != nullptr && named != plan.study) continue;
    if (named == nullptr && plans.size() > 1 && !plan.settings.has(name)) continue;
    plan.settings.set(change.assignment);
    check_models(*plan.study, plan.settings);
    ++taken;
  }
  if (taken > 0) return;
  if (named == nullptr) throw UsageError(fmt::format("no study has a setting \"{}\"", name));
  throw UsageError(
      fmt::format("\"{}\": {} is not among the studies", change.assignment, named->id));
}

}  // namespace

std::vector<StudyPlan> study_plans(const SuiteConfig& config) {
  std::vector<StudyPlan> plans;
  for (const Study* study : config.studies) {
    plans.push_back({study, Settings(study->knobs, config.size)});
  }
  for (const Override& each : config.overrides) {
    apply(each, plans);
  }
  return plans;
}

bool is_published_run(const SuiteConfig& config) {
  if (config.first_seed != kPublishedSeed || config.seeds != 0 || !config.data_path.empty() ||
      active_gemm() != Gemm::kCanonical) {
    return false;
  }
  return std::ranges::all_of(study_plans(config), [&config](const StudyPlan& plan) {
    return plan.settings == Settings(plan.study->knobs, config.size);
  });
}

bool SuiteResult::digests_match() const {
  return std::ranges::none_of(digests, [](const auto& item) { return item.second.mismatch(); });
}

namespace {

// Rows, points, groups and verdicts from finished cells, in the order of the plan.
void assemble(const SuiteConfig& config, std::span<const PlannedCell> cells, Finished& finished,
              SuiteResult& result) {
  std::map<std::string, std::pair<double, double>> seconds;
  for (std::size_t s = 0; s < result.plans.size(); ++s) {
    const std::size_t first_row = result.rows.size(), first_point = result.points.size();
    const Study& study = *result.plans[s].study;
    const std::string id(study.id);
    for (const PlannedCell& cell : cells) {
      if (cell.study != s) continue;
      FinishedCell& found = finished.at(cell.key);
      Outcome& outcome = found.outcome;
      if (outcome.certificate && !result.certificate) result.certificate = outcome.certificate;
      std::ranges::move(outcome.rows, std::back_inserter(result.rows));
      std::ranges::move(outcome.points, std::back_inserter(result.points));
      auto& [sum, count] = seconds[id + "/" + cell.model];
      sum = sum + found.seconds;
      count = count + 1;
    }
    const auto rows = std::span<const Row>(result.rows).subspan(first_row);
    const auto points = std::span<const Point>(result.points).subspan(first_point);
    result.digests[id] = {study_digest(rows, points), published_digest(config, id)};
    if (study.fault != nullptr) {
      const std::string fault = study.fault(rows, points);
      if (!fault.empty()) result.faults.push_back(fault);
    }
  }
  for (const auto& [key, sum] : seconds) result.seconds[key] = sum.first / sum.second;
  result.groups = group_rows(result.rows);
  result.curves = curves_of(result.points);
  result.claims = judge_claims(result.groups, result.curves);
  for (Claim& claim : result.claims) claim.command = claim_command(config, claim);
  for (const StudyPlan& plan : result.plans) {
    std::ranges::move(judge(*plan.study, {result.groups, result.curves, plan.settings}),
                      std::back_inserter(result.judgements));
  }
  result.unload_fault = unload_fault(result.rows);
}

}  // namespace

SuiteResult run_suite(const SuiteConfig& config) {
  SuiteResult result;
  result.plans = study_plans(config);
  const std::vector<PlannedCell> cells =
      plan_cells(result.plans, config.size, config.first_seed, config.seeds);
  if (cells.empty()) throw UsageError("nothing to run: every study has 0 seeds");
  const std::unique_ptr<Peers> alone = no_peers();
  Peers& peers = config.peers != nullptr ? *config.peers : *alone;
  const bool writes = !config.out.empty() && peers.rank() == 0;
  if (!config.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(config.out, error);
    if (error) {
      throw EnvironmentError(fmt::format("cannot make {}: {}", config.out, error.message()));
    }
  }
  Options options{
      .level = config.level, .ledger_seed = config.first_seed, .digits_path = config.data_path};
  result.data_digest =
      make_tasks(config.data_path.empty() ? embedded_digits() : read_digits(config.data_path))
          .digest;
  const std::string settings = settings_digest(config, result.plans, result.data_digest);
  const std::string rank = peers.rank() == 0 ? "" : fmt::format(".{}", peers.rank());
  const std::string path = config.out + "/cells" + rank + ".jsonl";
  std::optional<CellFile> file;
  if (config.out.empty()) {
    file.emplace();
  } else {
    file.emplace(path, settings, config.fresh);
    const auto others =
        writes ? cells_of_others(config.out, peers.size()) : std::vector<std::string>();
    for (const std::string& other : others) {
      if (config.fresh) {
        remove_file(other);
      } else {
        file->adopt(other);
      }
    }
  }
  if (writes) remove_leftovers(config.out);
  if (writes && config.level != Ledger::Level::kOff) {
    options.ledger_path = config.out + "/ledger.jsonl";
  }
  for (const PlannedCell& cell : cells) {
    if (is_subject(cell.model) && subject_info(cell.model).prepare != nullptr) {
      subject_info(cell.model).prepare();
    }
  }
  Subjects subjects(options);
  const Identity& first = subjects.get("digits-mlp", config.first_seed);
  if (config.level != Ledger::Level::kOff) {
    result.ledger = {first.ledger->sequence(), first.ledger->head()};
  }
  Finished finished = std::move(file->found());
  share(*file, finished, peers);
  run_cells(config, result.plans, cells, subjects, *file, finished, peers);
  share(*file, finished, peers);
  result.outside_contract = gemm_warning();
  assemble(config, cells, finished, result);
  if (config.studies.size() == studies().size()) {
    result.digests["summary"] = {summary_digest(result), published_digest(config, "summary")};
  }
  file->remove();
  return result;
}

ordered_json results_json(const SuiteConfig& config, const SuiteResult& result) {
  ordered_json j;
  j["schema"] = kResultsSchema;
  j["version"] = version();
  j["environment"] = environment_json();
  j["environment"]["command"] = config.command;
  j["environment"]["seed"] = config.first_seed;
  j["environment"]["seeds"] = config.seeds != 0 ? ordered_json(config.seeds) : ordered_json();
  j["environment"]["quick"] = config.size == Size::kQuick;
  j["environment"]["data_digest"] = result.data_digest;
  if (!result.outside_contract.empty()) j["environment"]["warning"] = result.outside_contract;
  j["studies"] = ordered_json::array();
  for (const StudyPlan& plan : result.plans) {
    const Study& study = *plan.study;
    j["studies"].push_back({{"id", study.id},
                            {"name", study.name},
                            {"question", study.question},
                            {"object", study.object},
                            {"rule", study.rule}});
  }
  j["settings"] = ordered_json::object();
  for (const StudyPlan& plan : result.plans) {
    j["settings"][std::string(plan.study->id)] = plan.settings.json();
  }
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
  for (const char* part : {"rows", "groups", "points", "curves", "claims", "judgements"}) {
    j[part] = ordered_json::array();
  }
  for (const Row& row : result.rows) j["rows"].push_back(row_json(row));
  for (const Group& group : result.groups) j["groups"].push_back(group_json(group));
  for (const Point& point : result.points) j["points"].push_back(point_json(point));
  for (const CurvePoint& curve : result.curves) j["curves"].push_back(curve_json(curve));
  for (const Claim& claim : result.claims) j["claims"].push_back(claim_json(claim));
  for (const Judgement& judgement : result.judgements) {
    j["judgements"].push_back(judgement_json(judgement));
  }
  return j;
}

void write_results(const SuiteConfig& config, const SuiteResult& result) {
  const ordered_json json = results_json(config, result);
  write_file_atomically(config.out + "/results.json", results_text(json));
  write_file_atomically(config.out + "/results.csv", rows_csv(result.rows));
  write_file_atomically(config.out + "/curves.csv", points_csv(result.points));
  write_database(config.out + "/results.db", json);
  if (result.certificate) {
    write_file_atomically(config.out + "/certificate.json",
                          certificate_json(config, *result.certificate).dump(1) + "\n");
  }
  write_file_atomically(config.out + "/report.html", render_report(nlohmann::json(json)));
}

}  // namespace palinode::experiments
