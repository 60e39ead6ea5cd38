#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/suite/peers.h"
#include "experiments/train/command.h"
#include "experiments/train/config.h"
#include "experiments/train/configs.h"
#include "experiments/train/generate.h"
#include "experiments/train/loop.h"
#include "experiments/train/model_io.h"
#include "experiments/train/report.h"
#include "experiments/train/run_folder.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments::train {
namespace {

constexpr int kSignalled = 128;

struct Options {
  Machine machine;
  std::string name, file, out;
  std::vector<std::string> sets;
  bool resume = false, overwrite = false, list = false, settings = false;
  bool mpi = false, json = false, quiet = false, no_color = false;
};

int list_configs() {
  for (const NamedConfig& config : configs()) {
    const std::size_t what = config.name.size() + 4;  // "# name: what"
    print(fmt::format("{:<14} {}\n", config.name,
                      config.text.substr(what, config.text.find('\n') - what)));
  }
  return kDone;
}

// What the command asks for, if it names a configuration at all.
struct Asked {
  std::optional<Config> config;
  std::string stem;
};

Asked asked_for(const Options& options) {
  if (!options.name.empty() && !options.file.empty()) {
    throw UsageError("give a configuration by name or with --config, not both");
  }
  const std::string& name = options.name.empty() ? options.file : options.name;
  if (name.empty()) return {};
  const ConfigSource source = find_config(name);
  return {parse_config(source.text, source.name, options.sets), source.stem};
}

// A run keeps its settings: what the command asks for again must be what the folder says.
Config resumed_config(const Options& options, const RunFolder& folder, const Asked& asked) {
  Config kept = folder.read_config();
  if (asked.config) check_same(kept, *asked.config, folder.config());
  if (!asked.config && !options.sets.empty()) {
    throw UsageError("--set: a run that is resumed keeps its settings");
  }
  return kept;
}

// A text that the model in the folder writes, if it is one that writes.
void add_sample(Report& report, const RunFolder& folder, const Config& config) {
  if (!config.language_model() || config.sample.tokens == 0) return;
  const SampleConfig& sample = config.sample;
  std::string text = sample.prompt;
  try {
    generate_text(load_trained(folder.model()),
                  {.prompt = sample.prompt,
                   .tokens = sample.tokens,
                   .temperature = sample.temperature,
                   .top_k = sample.top_k,
                   .seed = config.seed},
                  [&](std::string_view piece) { text += piece; });
  } catch (const UsageError& error) {
    fmt::print(stderr, "palinode: no sample: {}\n", error.what());
    return;
  }
  report.text += fmt::format("sample      {}\n", text);
  report.json["sample"] = text;
}

int finish(const Options& options, const RunFolder& folder, const Config& config,
           const RunResult& result) {
  if (result.stopped) {
    fmt::print(
        stderr,
        "palinode: stopped after step {} of {}; go on with: palinode train --resume --out {}\n",
        result.step, result.steps, folder.path());
    return result.signal == 0 ? kDone : kSignalled + result.signal;
  }
  Report report = make_report(folder, config, result);
  add_sample(report, folder, config);
  const std::string json =
      report.json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  write_file_atomically(folder.result(), json);
  print(options.json ? json : report.text);
  return kDone;
}

// What a run needs before its folder is touched.
struct Prepared {
  Config config;
  Task task;
};

Prepared prepare_run(const Options& options, const Asked& asked, const RunFolder& folder,
                     const Peers& peers) {
  if (!options.resume && !options.overwrite && folder.holds_run()) {
    throw UsageError(
        fmt::format("{}: holds a run; --resume goes on with it, --overwrite removes "
                    "it, --out DIR puts the new one elsewhere",
                    folder.path()));
  }
  Machine machine = options.machine;
  if (machine.threads == 0 && options.mpi) machine.threads = threads_each(peers);
  apply(machine);
  Config config = options.resume ? resumed_config(options, folder, asked) : *asked.config;
  if (config.train.shards < peers.size()) {
    throw ConfigError(
        fmt::format("train.shards: expected at least the {} processes of --mpi, got {}",
                    peers.size(), config.train.shards));
  }
  Task task = prepare(config);
  return {std::move(config), std::move(task)};
}

int run_prepared(const Options& options, const RunFolder& folder, Prepared run, Peers& peers) {
  const LoopOptions loop{
      .quiet = options.quiet, .color = use_color(STDERR_FILENO, options.no_color), .peers = &peers};
  try {
    const RunResult result = run_loop(run.config, folder, loop, std::move(run.task));
    if (peers.rank() == 0) return finish(options, folder, run.config, result);
    return result.signal == 0 ? kDone : kSignalled + result.signal;
  } catch (const std::exception& error) {
    if (peers.size() == 1) throw;
    // The others wait for this one.
    fmt::print(stderr, "palinode: process {}: {}\n", peers.rank(), error.what());
    peers.abort(exit_code(error));
    throw;
  }
}

int run_train(const Options& options) {
  if (options.list) return list_configs();
  if (options.settings) {
    print(config_reference());
    return kDone;
  }
  const std::unique_ptr<Peers> peers = options.mpi ? mpi_peers() : no_peers();
  std::optional<RunFolder> folder;
  std::optional<Prepared> run;
  const bool prepared = together(*peers, [&] {
    const Asked asked = asked_for(options);
    if (!asked.config && !(options.resume && !options.out.empty())) {
      throw UsageError(
          "train: expected the name of a configuration (--list), --config FILE, or "
          "--resume --out DIR");
    }
    folder.emplace(options.out.empty() ? "runs/" + asked.stem : options.out);
    run.emplace(prepare_run(options, asked, *folder, *peers));
  });
  if (!prepared) return kDone;  // the process that failed says why, and has the code
  std::optional<RunLock> lock;
  const bool started = together(*peers, [&] {
    if (peers->rank() != 0) return;
    lock.emplace(folder->path());
    if (!options.resume) folder->start(run->config);
  });
  return started ? run_prepared(options, *folder, std::move(*run), *peers) : kDone;
}

}  // namespace

Command add_train_command(CLI::App& app) {
  CLI::App* train = app.add_subcommand("train", "Train a network");
  train->footer(
      "Examples:\n"
      "  palinode train digits_mlp                          into runs/digits_mlp, in seconds\n"
      "  palinode train mnist_cnn --set train.epochs=2 --set optimizer.lr=5e-4 --out runs/short\n"
      "  palinode train --config mine.toml\n"
      "  palinode train --resume --out runs/short           goes on after Ctrl-C or a crash\n"
      "  mpirun -n 4 palinode train mnist_mlp --mpi --set train.shards=4\n"
      "Exit codes: 0 done, 1 a value is not finite, 2 usage or settings, 3 bad input file,\n"
      "4 environment (missing data too), 130 stopped by Ctrl-C after a checkpoint.");
  const auto options = std::make_shared<Options>();
  train->add_option("name", options->name,
                    "A configuration that comes with the program, or a .toml file");
  train->add_option("--config", options->file, "A file of settings (docs/training.md)");
  train->add_option("--set", options->sets, "section.key=value, over the file's; again and again")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  for (const auto& [flag, key] : {std::pair("--seed", "seed"), {"--ledger", "ledger.level"}}) {
    const std::string prefix = fmt::format("{}=", key);
    train->add_option_function<std::string>(
        flag,
        [options, prefix](const std::string& value) { options->sets.push_back(prefix + value); },
        fmt::format("The same as --set {}...", prefix));
  }
  train->add_option("--out", options->out, "The run's folder (default: runs/NAME)");
  CLI::Option* resume =
      train->add_flag("--resume", options->resume, "Go on from the last checkpoint in the folder");
  train->add_flag("--overwrite", options->overwrite, "Remove a run that is in the folder")
      ->excludes(resume);
  train->add_flag("--list", options->list, "The configurations that come with the program");
  train->add_flag("--settings", options->settings, "Every setting, with defaults and limits");
  add_machine_options(*train, options->machine);
  train->add_flag(
      "--mpi", options->mpi,
      "Share each batch with the processes of an mpirun, by train.shards; never changes "
      "a bit");
  train->add_flag("--json", options->json, "Print result.json instead of the summary");
  train->add_flag("--quiet", options->quiet, "No lines for steps");
  train->add_flag("--no-color", options->no_color, "Plain text");
  return {train, [options] { return run_train(*options); }};
}

}  // namespace palinode::experiments::train
