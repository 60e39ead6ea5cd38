// `palinode adapt`: trains phi over a frozen model file.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "experiments/behavior/adapt_config.h"
#include "experiments/behavior/command.h"
#include "experiments/behavior/stack.h"
#include "experiments/environment.h"
#include "experiments/train/build.h"
#include "experiments/train/interrupt.h"
#include "experiments/train/report.h"
#include "experiments/train/trainer.h"
#include "experiments/usage_error.h"
#include "rbl/identity.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr int kSignalled = 128;

struct Options {
  Machine machine;
  AdaptRequest request;
  std::string identity, from, data, dir, out, ledger;
  bool force = false, overwrite = false;
  bool json = false, quiet = false, no_color = false;
};

// Batches on their way to the training, whose digest says what was learned from: SHA-256 over the
// XXH3-128 of x and y of each, in the order in which they were asked for.
class Digested final : public train::BatchSource {
 public:
  explicit Digested(std::unique_ptr<train::BatchSource> inner) : inner_(std::move(inner)) {}

  Labelled at(std::uint64_t number) override {
    Labelled batch = inner_->at(number);
    for (const Tensor* part : {&batch.x, &batch.y}) {
      const Xxh3Digest digest = xxh3(*part);
      sha_.add(std::as_bytes(std::span(digest)));
    }
    return batch;
  }
  std::uint64_t per_epoch() const override { return inner_->per_epoch(); }
  Sha256Digest finish() { return sha_.finish(); }

 private:
  std::unique_ptr<train::BatchSource> inner_;
  Sha256 sha_;
};

// The command again, without what changes no bit.
std::string command_of(const Options& options) {
  std::string line = "palinode adapt --identity " + options.identity;
  const auto add = [&](std::string_view flag, const std::string& value) {
    if (!value.empty()) line += fmt::format(" {} {}", flag, value);
  };
  add("--config", options.request.file);
  add("--kind", options.request.kind);
  add("--from", options.from);
  for (const std::string& site : options.request.sites) add("--site", site);
  for (const std::string& set : options.request.sets) add("--set", set);
  add("--data", options.data);
  return printable(std::move(line));
}

std::string next_version(const std::string& version) {
  const bool number = !version.empty() && version.size() < 10 &&
                      version.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::to_string(std::stoul(version) + 1) : "2";
}

// One adaptation: model, unit, task, and how far it has come.
class Session {
 public:
  // Without a file for its ledger it keeps no records.
  Session(const Options& options, const std::string& ledger_file)
      : options_(options),
        model_(train::load_trained(options.identity, make_ledger(options, ledger_file))),
        identity_(rbl::Identity::freeze(*model_.ledger, *model_.network)) {
    AdaptRequest request = options.request;
    if (!options.data.empty()) request.sets.push_back("data.name=" + options.data);
    if (!options.dir.empty()) request.sets.push_back("data.dir=" + options.dir);
    AdaptConfig config = adapt_config(request, model_.config);
    model_.config = config.train;
    make_unit(config.behavior);
    const bool prompt = unit_->kind() == "soft-prompt";
    const double rows = prompt ? unit_->config().settings.at("length") : 0;
    config_ = with_room(config.train, static_cast<std::uint64_t>(rows));
    task_ = train::make_task(config_, model_.tokenizer);
    check_fit(model_, task_);
    auto digested = std::make_unique<Digested>(std::move(task_.batches));
    digested_ = digested.get();
    task_.batches = std::move(digested);
  }

  // Returns the signal that ended it, or 0.
  int run() {
    before_ = train::evaluate(*model_.network, task_.validation);
    const rbl::Attached function = rbl::attach(*model_.network, unit_);
    const bool statistics = model_.network->buffers() != nullptr;
    train::Trainer trainer(config_, task_, *model_.ledger, function, unit_->phi(),
                           statistics ? nn::Mode::kEval : nn::Mode::kTrain);
    train::StepLines lines(trainer.steps(), task_.unit, options_.quiet,
                           use_color(STDERR_FILENO, options_.no_color));
    lines.note(fmt::format("{} with {} values over a {} with {}, on {}", unit_->kind(),
                           unit_->elements(), model_.network->kind(),
                           model_.network->store().elements(), config_.data.name));
    const train::Interrupt interrupt;
    const std::uint64_t every = config_.train.eval_every;
    while (!trainer.finished() && interrupt.signal() == 0) {
      train::StepMetrics metrics = trainer.step();
      const bool due = metrics.step == trainer.steps() || (every > 0 && metrics.step % every == 0);
      if (due) metrics.validation = trainer.look();
      lines.show(metrics);
    }
    steps_ = trainer.position().step;
    after_ = trainer.position().last;
    return interrupt.signal();
  }

  void save() {
    record_.command = command_of(options_);
    record_.seed = std::to_string(config_.seed);
    record_.data_digest = hex(digested_->finish());
    record_.code_version = version();
    rbl::save_behavior(options_.out, *unit_, record_);
  }

  train::Report report() const {
    const Ledger& ledger = *model_.ledger;
    identity_.check();
    const std::string identity = hex(record_.identity);
    train::Report report;
    report.text = fmt::format(
        "trained     {} steps, {} with {} values ({:.3g} % of the identity's)\n"
        "behavior    {}, version {}, digest {}\n"
        "identity    {}, unchanged\n"
        "validation  before  {}\n"
        "            after   {}\n"
        "ledger      {} records, head {}\n",
        steps_, unit_->kind(), unit_->elements(), share(), options_.out, record_.version,
        hex(rbl::behavior_digest(*unit_)), identity, shown(before_), shown(after_),
        ledger.sequence(), hex(ledger.head()));
    report.json = {{"behavior", options_.out},
                   {"kind", unit_->kind()},
                   {"values", unit_->elements()},
                   {"version", record_.version},
                   {"digest", hex(rbl::behavior_digest(*unit_))},
                   {"identity", identity},
                   {"steps", steps_},
                   {"data_digest", record_.data_digest},
                   {"before", train::to_json(before_)},
                   {"after", train::to_json(after_)},
                   {"ledger", {{"records", ledger.sequence()}, {"head", hex(ledger.head())}}}};
    return report;
  }

 private:
  static std::unique_ptr<Ledger> make_ledger(const Options& options, const std::string& file) {
    if (file.empty()) return std::make_unique<Ledger>(Ledger::Level::kOff);
    return std::make_unique<Ledger>(level_named(options.ledger).value(), file);
  }

  void make_unit(const rbl::BehaviorConfig& config) {
    Ledger& ledger = *model_.ledger;
    if (!options_.from.empty()) {
      if (!config.kind.empty() || !config.sites.empty() || !config.settings.empty()) {
        throw UsageError("--from: its unit has its kind, sites and settings already");
      }
      const auto other = options_.force ? rbl::OtherIdentity::kForce : rbl::OtherIdentity::kRefuse;
      const rbl::LoadedBehavior parent =
          rbl::load_behavior(ledger, *model_.network, options_.from, "phi", other);
      unit_ = parent.unit;
      record_ = rbl::record_of(*model_.network);
      record_.parent = parent.metadata.at("digest");
      record_.version = next_version(parent.record.version);
      record_.forced_onto = parent.record.forced_onto;
      return;
    }
    if (config.kind.empty()) throw UsageError("adapt: expected --kind, --from or [behavior] kind");
    try {
      unit_ = rbl::make_behavior(ledger.open("phi", Role::kBehavior), *model_.network, config);
    } catch (const NameError& error) {
      throw UsageError(error.what());
    }
    ledger.commit(unit_->init(Rng(model_.config.seed).stream("phi")));
    record_ = rbl::record_of(*model_.network);
    record_.version = "1";
  }

  double share() const {
    return 100 * static_cast<double>(unit_->elements()) /
           static_cast<double>(model_.network->store().elements());
  }

  const Options& options_;
  train::TrainedModel model_;
  rbl::Identity identity_;
  rbl::BehaviorPointer unit_;
  rbl::BehaviorRecord record_;
  train::Config config_;
  train::Task task_;
  Digested* digested_ = nullptr;  // in task_
  train::Evaluation before_, after_;
  std::uint64_t steps_ = 0;
};

int run_adapt(const Options& options) {
  check_free(options.out, options.overwrite);
  apply(options.machine);
  { const Session trial(options, ""); }  // a mistake touches no file
  Session session(options, options.out + ".ledger.jsonl");
  if (const int signal = session.run(); signal != 0) {
    fmt::print(stderr, "palinode: stopped; no behavior was written\n");
    return kSignalled + signal;
  }
  session.save();
  const train::Report report = session.report();
  print(options.json ? report.json.dump(1) + "\n" : report.text);
  return kDone;
}

void add_training_options(CLI::App& adapt, const std::shared_ptr<Options>& options) {
  adapt.add_option("--data", options->data,
                   "A data set, or a text file (default: what the identity was trained on)");
  adapt.add_option("--data-dir", options->dir, "The folder of the data set's files");
  for (const auto& [flag, key] : {std::pair("--steps", "train.steps"), {"--seed", "seed"}}) {
    const std::string prefix = fmt::format("{}=", key);
    adapt.add_option_function<std::string>(
        flag,
        [options, prefix](const std::string& value) {
          options->request.sets.push_back(prefix + value);
        },
        fmt::format("The same as --set {}...", prefix));
  }
  adapt.add_option("--ledger", options->ledger, "How much every write leaves in OUT.ledger.jsonl")
      ->check(CLI::IsMember({"off", "summary", "digest", "journal"}))
      ->default_val("digest");
}

}  // namespace

Command add_adapt_command(CLI::App& app) {
  CLI::App* adapt = app.add_subcommand("adapt", "Train a behavior over a frozen model");
  adapt->footer(
      "Examples:\n"
      "  palinode adapt --identity experiments/identity/austen_gpt.safetensors --kind lora \\\n"
      "      --set rank=8 --data kjv --steps 500 --out kjv.safetensors\n"
      "  palinode adapt --identity runs/digits_mlp/model.safetensors --config adapt.toml \\\n"
      "      --out unit.safetensors\n"
      "Exit codes: 0 done, 1 a value is not finite, 2 usage or settings, 3 bad input file,\n"
      "4 environment (missing data too), 130 stopped by Ctrl-C.");
  const auto options = std::make_shared<Options>();
  AdaptRequest& request = options->request;
  adapt->add_option("--identity", options->identity, "The model file")->required();
  adapt->add_option("--out", options->out, "The behavior file to write")->required();
  adapt->add_option("--kind", request.kind,
                    "lora, dora, ia3, adapter, prefix, soft-prompt, bias or dense");
  adapt
      ->add_option("--site", request.sites,
                   "Where it enters; again and again (default: everywhere)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  adapt
      ->add_option("--set", request.sets,
                   "name=value of the kind, or section.key=value of the training")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  adapt->add_option("--config", request.file, "A file of settings (docs/files.md)");
  adapt->add_option("--from", options->from, "Go on with this behavior, as its next version");
  add_training_options(*adapt, options);
  adapt->add_flag("--force", options->force, "With --from: a behavior of another identity too");
  adapt->add_flag("--overwrite", options->overwrite, "Replace a file that is there");
  add_machine_options(*adapt, options->machine);
  adapt->add_flag("--json", options->json, "Print JSON instead of the summary");
  adapt->add_flag("--quiet", options->quiet, "No lines for steps");
  adapt->add_flag("--no-color", options->no_color, "Plain text");
  return {adapt, [options] { return run_adapt(*options); }};
}

}  // namespace palinode::experiments
