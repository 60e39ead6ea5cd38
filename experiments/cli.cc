#include "experiments/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>

#include "experiments/behavior/command.h"
#include "experiments/command.h"
#include "experiments/environment.h"
#include "experiments/ledger/command.h"
#include "experiments/precision/command.h"
#include "experiments/results/findings.h"
#include "experiments/suite/suite.h"
#include "experiments/train/command.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/ledger.h"
#include "tensor/parallel.h"

namespace palinode::experiments {
namespace {

// What every study takes.
struct Common : Machine {
  std::uint64_t seed = kPublishedSeed;
  std::string ledger = "digest";
  std::string data, out = "results", config;
  std::vector<std::string> set;
  std::size_t seeds = 0;
  bool json = false, quiet = false, no_color = false, dry_run = false, fresh = false, mpi = false;
};

void add_run_options(CLI::App& app, Common& common) {
  app.add_option("--seed", common.seed, "First seed; seed, seed + 1, ... are run")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))
      ->capture_default_str();
  app.add_option("--seeds", common.seeds,
                 "How many seeds of each model (default: each study's own)")
      ->check(CLI::Range(1, 100000));
  add_machine_options(app, common);
  app.add_option("--ledger", common.ledger, "How much every write leaves behind")
      ->check(CLI::IsMember({"off", "summary", "digest", "journal"}))
      ->capture_default_str();
  app.add_option("--data", common.data, "Digits of one's own: CSV, 64 pixels 0..16 and a label");
  app.add_option("--out", common.out, "Folder for results.json, results.csv, report.html, ...")
      ->capture_default_str();
  app.add_option("--config", common.config, "Settings of the studies: TOML, a table for each")
      ->check(CLI::ExistingFile);
  app.add_option("--set", common.set, "One setting: key=value, or E3.key=value")
      ->allow_extra_args(false);
  app.add_flag("--dry-run", common.dry_run, "Print what would run, with time and memory");
  app.add_flag("--fresh", common.fresh, "Do not go on with what a killed run has finished");
  app.add_flag("--mpi", common.mpi, "Share the work with the processes of an mpirun");
  app.add_flag("--json", common.json, "Print results.json instead of the table");
  app.add_flag("--quiet", common.quiet, "No progress");
  app.add_flag("--no-color", common.no_color, "Plain text");
}

std::vector<Override> overrides(const Common& common, const std::vector<const Study*>& run) {
  std::vector<Override> all;
  if (!common.config.empty()) {
    all = read_overrides(common.config);
    // One file may serve for every study.
    std::erase_if(all, [&run](const Override& each) {
      return std::ranges::find(run, &find_study(each.study)) == run.end();
    });
  }
  for (const std::string& text : common.set) {
    const std::size_t dot = text.find('.'), equals = text.find('=');
    if (dot != std::string::npos && dot < equals) {
      all.push_back({text.substr(0, dot), text.substr(dot + 1)});
    } else {
      all.push_back({"", text});
    }
  }
  return all;
}

int report(const SuiteConfig& config, const Common& common, const SuiteResult& result) {
  write_results(config, result);
  if (common.json) {
    print(results_json(config, result).dump(1) + "\n");
  } else {
    print(results_text(result, use_color(STDOUT_FILENO, common.no_color)));
    print(fmt::format("report:  {}/report.html\n", config.out));
  }
  return result.sound() && result.digests_match() ? kDone : kCheckFailed;
}

int run_studies(SuiteConfig config, const Common& common, const std::string& write_digests) {
  const std::unique_ptr<Peers> peers = common.mpi ? mpi_peers() : no_peers();
  Machine machine = common;
  if (machine.threads == 0 && common.mpi) machine.threads = threads_each(*peers);
  apply(machine);
  config.first_seed = common.seed;
  config.seeds = common.seeds;
  config.overrides = overrides(common, config.studies);
  config.data_path = common.data;
  config.level = level_named(common.ledger).value();
  config.out = common.out;
  config.quiet = common.quiet || peers->rank() != 0;
  config.fresh = common.fresh;
  config.peers = peers.get();
  if (!write_digests.empty() && !is_published_run(config)) {
    fmt::print(stderr,
               "palinode: --write-digests needs the default seeds, settings and data, and --gemm "
               "canonical\n");
    return kUsage;
  }
  if (common.dry_run) {
    const std::vector<StudyPlan> plans = study_plans(config);
    print(plan_text(plans, plan_cells(plans, config.size, config.first_seed, config.seeds),
                    config.size, threads() * peers->size()));
    return kDone;
  }
  try {
    const SuiteResult result = run_suite(config);
    if (peers->rank() != 0) return kDone;
    if (write_digests.empty()) return report(config, common, result);
    report(config, common, result);
    if (!result.sound()) return kCheckFailed;
    write_file_atomically(write_digests, updated_digests(config, result));
    const std::filesystem::path costs = std::filesystem::path(write_digests).parent_path();
    write_file_atomically(costs / "costs.json", updated_costs(config, result));
    return kDone;
  } catch (const std::exception& error) {
    if (peers->size() == 1) throw;
    // The others wait for this one.
    fmt::print(stderr, "palinode: process {}: {}\n", peers->rank(), error.what());
    peers->abort(kEnvironment);
    throw;
  }
}

int run_study(SuiteConfig config, const Common& common, const std::string& name) {
  try {
    config.studies.push_back(&find_study(name));
  } catch (const NameError& error) {
    fmt::print(stderr, "palinode: {}\n", error.what());
    return kUsage;
  }
  return run_studies(std::move(config), common, "");
}

// Models and environments that are in no table, since one study alone makes them; a line for each.
std::string own_models() {
  std::string text;
  for (const Study& study : studies()) {
    const Settings full(study.knobs, Size::kFull);
    for (const std::string& name : full.words("models")) {
      if (!is_subject(name)) text += fmt::format("{:<18} {}'s own\n", name, study.id);
    }
  }
  return text;
}

int list_studies(bool models) {
  if (models) {
    for (const SubjectInfo& info : subject_infos()) {
      print(fmt::format(
          "{:<18} {} on {}: {}{}\n", info.name, info.model, info.data, info.what,
          info.scale == Scale::kSmall ? std::string() : fmt::format(" ({})", name_of(info.scale))));
    }
    print(own_models());
    return kDone;
  }
  for (const Study& study : studies()) {
    print(fmt::format("{:<4} {:<18} {}\n     paper: {}\n     rule:  {}\n", study.id, study.name,
                      study.question, study.object, study.rule));
    for (const Knob& knob : study.knobs) {
      const Settings quick(study.knobs, Size::kQuick), full(study.knobs, Size::kFull);
      const std::string name(knob.name);
      print(fmt::format("     {} = {} ({}){}\n", knob.name, quick.json()[name].dump(), knob.meaning,
                        quick.json()[name] == full.json()[name]
                            ? ""
                            : fmt::format("; full: {}", full.json()[name].dump())));
    }
  }
  return kDone;
}

int show_findings(const std::string& path) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
  const nlohmann::ordered_json results =
      nlohmann::ordered_json::parse(read_file(path, kMostBytes), nullptr, false);
  try {
    print(render_findings(results));
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("{}: {}", path, error.what()));
  }
  return kDone;
}

int show_version(bool verbose, const Common& common) {
  print(fmt::format("palinode {}\n", version()));
  if (!verbose) return kDone;
  apply(common);
  const nlohmann::ordered_json environment = environment_json();
  for (const auto& [name, value] : environment.items()) {
    print(fmt::format("{:<18} {}\n", name,
                      value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return kDone;
}

// The command as typed, for the records; anything but printable ASCII becomes a question mark.
std::string join(int argc, const char* const* argv) {
  std::string line = "palinode";
  for (int i = 1; i < argc; ++i) line += fmt::format(" {}", argv[i]);
  for (char& c : line) c = c >= ' ' && c <= '~' ? c : '?';
  return line;
}

constexpr const char* kAbout =
    "Palinode: mutate shared weights and the model is gone; attach a behavior, unload "
    "it, and it is back bit for bit.\n\n"
    "  palinode reproduce --quick             every study, report, digest check\n"
    "  palinode study run E4 --seeds 3        one study\n"
    "  palinode train digits_mlp              train a network; eval and generate use it\n"
    "  palinode adapt, certify, detach        a behavior over it, and the proof that it leaves\n"
    "  palinode inspect FILE                  what any of these files holds\n"
    "  palinode precision exp sum             ULPs next to nanoseconds\n"
    "  palinode ledger verify results/ledger.jsonl";

int dispatch(int argc, const char* const* argv) {
  CLI::App app(kAbout);
  app.require_subcommand(1);
  Common common;
  std::string write_digests, study_name;
  bool quick = false, full = false, verbose = false, models = false;

  CLI::App* reproduce = app.add_subcommand("reproduce", "Run every study and compare the digests");
  reproduce->add_option("--write-digests", write_digests, "Write the digests file instead");
  add_run_options(*reproduce, common);

  CLI::App* study = app.add_subcommand("study", "List the studies or run one");
  study->require_subcommand(1);
  CLI::App* list = study->add_subcommand("list", "What there is, each one's rule and settings");
  list->add_flag("--models", models, "The models they run on instead");
  CLI::App* run = study->add_subcommand("run", "Run one study, by number or name");
  run->add_option("study", study_name, "E0, E1, ... or a name")->required();
  add_run_options(*run, common);
  for (CLI::App* command : {reproduce, run}) {
    CLI::Option* quick_flag =
        command->add_flag("--quick", quick, "In their short form (the default)");
    command->add_flag("--full", full, "At full length")->excludes(quick_flag);
  }

  std::string results_path = "results/results.json";
  CLI::App* findings =
      app.add_subcommand("findings", "What results support, refute and leave open, as Markdown");
  findings->add_option("results", results_path, "A results.json")->capture_default_str();

  CLI::App* version_command = app.add_subcommand("version", "Print the version");
  version_command->add_flag("--verbose", verbose,
                            "And the compiler, SIMD targets, matrix product, processor");
  add_machine_options(*version_command, common);

  std::vector<Command> commands = ledger::add_ledger_commands(app);
  for (const auto add :
       {train::add_train_command, train::add_eval_command, train::add_generate_command,
        add_adapt_command, add_detach_command, add_certify_command, add_behavior_command,
        add_inspect_command, add_precision_command}) {
    commands.push_back(add(app));
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return kDone;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "palinode: {}\n", error.what());
    return kUsage;
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  if (findings->parsed()) return show_findings(results_path);
  SuiteConfig config;
  config.command = join(argc, argv);
  if (full) config.size = Size::kFull;
  if (reproduce->parsed()) {
    for (const Study& each : studies()) config.studies.push_back(&each);
    return run_studies(config, common, write_digests);
  }
  if (run->parsed()) return run_study(config, common, study_name);
  if (list->parsed()) return list_studies(models);
  return show_version(verbose, common);
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  const auto failed = [](int code, const char* what) {
    fmt::print(stderr, "palinode: {}\n", what);
    return code;
  };
  try {
    const int code = dispatch(argc, argv);
    const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    return written ? code : failed(kEnvironment, "the output could not be written");
  } catch (const std::bad_alloc&) {
    return failed(kEnvironment, "out of memory");
  } catch (const std::exception& error) {
    return failed(exit_code(error), error.what());
  }
}

}  // namespace palinode::experiments
