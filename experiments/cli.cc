#include "experiments/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>
#include <nlohmann/json.hpp>

#include "experiments/behavior/command.h"
#include "experiments/command.h"
#include "experiments/environment.h"
#include "experiments/ledger/command.h"
#include "experiments/precision/command.h"
#include "experiments/suite.h"
#include "experiments/train/command.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/ledger.h"

namespace palinode::experiments {
namespace {

// What every study takes.
struct Common : Machine {
  std::uint64_t seed = kPublishedSeed;
  std::string ledger = "digest";
  std::string data, out = "results";
  std::size_t seeds = 0;
  bool json = false, quiet = false, no_color = false;
};

void add_run_options(CLI::App& app, Common& common) {
  app.add_option("--seed", common.seed, "First seed; seed, seed + 1, ... are run")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))
      ->capture_default_str();
  app.add_option("--seeds", common.seeds, "How many seeds (default: 10 quick, 30 full)")
      ->check(CLI::Range(1, 100000));
  add_machine_options(app, common);
  app.add_option("--ledger", common.ledger, "How much every write leaves behind")
      ->check(CLI::IsMember({"off", "summary", "digest", "journal"}))
      ->capture_default_str();
  app.add_option("--data", common.data, "Digits of one's own: CSV, 64 pixels 0..16 and a label");
  app.add_option("--out", common.out, "Folder for results.json, results.csv, report.html, ...")
      ->capture_default_str();
  app.add_flag("--json", common.json, "Print results.json instead of the table");
  app.add_flag("--quiet", common.quiet, "No progress");
  app.add_flag("--no-color", common.no_color, "Plain text");
}

int run_studies(SuiteConfig config, const Common& common, const std::string& write_digests) {
  apply(common);
  config.first_seed = common.seed;
  config.seeds = common.seeds != 0       ? common.seeds
                 : config.size == "full" ? kFullSeeds
                                         : kQuickSeeds;
  config.data_path = common.data;
  config.level = level_named(common.ledger).value();
  config.out = common.out;
  config.quiet = common.quiet;
  if (!write_digests.empty() && !is_published_run(config)) {
    fmt::print(stderr,
               "palinode: --write-digests needs the default seeds and data, and --gemm "
               "canonical\n");
    return kUsage;
  }
  const SuiteResult result = run_suite(config);
  write_results(config, result);
  if (common.json) {
    print(results_json(config, result).dump(1) + "\n");
  } else {
    print(results_text(result, use_color(STDOUT_FILENO, common.no_color)));
    print(fmt::format("report:  {}/report.html\n", config.out));
  }
  if (!write_digests.empty()) {
    if (result.sound()) write_file_atomically(write_digests, updated_digests(config, result));
    return result.sound() ? kDone : kCheckFailed;
  }
  return result.sound() && result.digests_match() ? kDone : kCheckFailed;
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

int list_studies() {
  for (const Study& study : studies()) {
    print(fmt::format("{:<4} {:<16} {}\n     {:<16} rule: {}\n", study.id, study.name, study.object,
                      "", study.rule));
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
  bool quick = false, full = false, verbose = false;

  CLI::App* reproduce = app.add_subcommand("reproduce", "Run every study and compare the digests");
  reproduce->add_option("--write-digests", write_digests, "Write the digests file instead");
  add_run_options(*reproduce, common);

  CLI::App* study = app.add_subcommand("study", "List the studies or run one");
  study->require_subcommand(1);
  CLI::App* list = study->add_subcommand("list", "What there is, and each one's rule");
  CLI::App* run = study->add_subcommand("run", "Run one study, by number or name");
  run->add_option("study", study_name, "E0, E1, ... or a name")->required();
  add_run_options(*run, common);
  for (CLI::App* command : {reproduce, run}) {
    CLI::Option* quick_flag = command->add_flag("--quick", quick, "Ten seeds (the default)");
    command->add_flag("--full", full, "Thirty seeds")->excludes(quick_flag);
  }

  CLI::App* version_command = app.add_subcommand("version", "Print the version");
  version_command->add_flag("--verbose", verbose,
                            "And the compiler, SIMD targets, matrix product, processor");
  add_machine_options(*version_command, common);

  std::vector<Command> commands = ledger::add_ledger_commands(app);
  for (const auto add : {train::add_train_command, train::add_eval_command,
                         train::add_generate_command, add_adapt_command, add_detach_command,
                         add_certify_command, add_behavior_command, add_inspect_command,
                         add_precision_command}) {
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
  SuiteConfig config;
  config.command = join(argc, argv);
  if (full) config.size = "full";
  if (reproduce->parsed()) {
    for (const Study& each : studies()) config.studies.push_back(&each);
    return run_studies(config, common, write_digests);
  }
  if (run->parsed()) return run_study(config, common, study_name);
  if (list->parsed()) return list_studies();
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
  } catch (const UsageError& error) {
    return failed(kUsage, error.what());
  } catch (const FormatError& error) {
    return failed(kBadInput, error.what());
  } catch (const EnvironmentError& error) {
    return failed(kEnvironment, error.what());
  } catch (const std::bad_alloc&) {
    return failed(kEnvironment, "out of memory");
  } catch (const Error& error) {
    return failed(kCheckFailed, error.what());
  } catch (const std::exception& error) {
    return failed(kEnvironment, error.what());
  }
}

}  // namespace palinode::experiments
