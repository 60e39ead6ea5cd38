// `palinode behavior import-peft` and `export-peft`.
#include <fmt/format.h>

#include <memory>

#include "experiments/behavior/command.h"
#include "experiments/usage_error.h"
#include "nn/model_file.h"
#include "rbl/identity.h"
#include "rbl/peft.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

struct Options {
  Machine machine;
  std::string identity, folder, file, names = "own";
  bool force = false;
};

// The identity alone: PEFT's adapters need no data, so any model file will do.
struct Identity {
  Ledger ledger{Ledger::Level::kOff};
  nn::LoadedModel model;
  explicit Identity(const std::string& path) : model(nn::load_model(ledger, path)) {
    rbl::Identity::freeze(ledger, *model.network);
  }
};

rbl::OtherIdentity other(const Options& options) {
  return options.force ? rbl::OtherIdentity::kForce : rbl::OtherIdentity::kRefuse;
}

int run_import(const Options& options) {
  apply(options.machine);
  Identity identity(options.identity);
  const nn::Network& network = *identity.model.network;
  rbl::PeftNames names{};
  try {
    names = rbl::peft_names(options.names);
    static_cast<void>(rbl::peft_modules(network, names));
  } catch (const NameError& error) {
    throw UsageError(fmt::format("--names: {}", error.what()));
  }
  rbl::LoadedBehavior loaded =
      rbl::load_peft(identity.ledger, network, options.folder, "phi", names, other(options));
  loaded.record.version = "1";
  loaded.record.command = "palinode behavior import-peft --names " + options.names;
  rbl::save_behavior(options.file, *loaded.unit, loaded.record);
  const rbl::BehaviorConfig& config = loaded.unit->config();
  std::string settings;
  for (const auto& [name, value] : config.settings) settings += fmt::format(" {} {}", name, value);
  print(fmt::format("imported    {} with {} values at {} sites:{}\n", config.kind,
                    loaded.unit->elements(), config.sites.size(), settings));
  const auto note = [&](const char* key, const char* what) {
    const auto found = loaded.record.notes.find(key);
    if (found != loaded.record.notes.end()) print(fmt::format("{} {}\n", what, found->second));
  };
  note("peft.dtype", "widened     from");
  note("peft.magnitude_error", "magnitudes  off by at most");
  print(fmt::format("behavior    {}, digest {}\n", options.file,
                    hex(rbl::behavior_digest(*loaded.unit))));
  return kDone;
}

int run_export(const Options& options) {
  apply(options.machine);
  Identity identity(options.identity);
  const rbl::LoadedBehavior loaded = rbl::load_behavior(identity.ledger, *identity.model.network,
                                                        options.file, "phi", other(options));
  rbl::BehaviorRecord record = loaded.record;
  if (loaded.unit->kind() != "lora" && loaded.unit->kind() != "dora") {
    throw UsageError(fmt::format("{}: a {} has no form in PEFT that this writes; lora and dora do",
                                 options.file, loaded.unit->kind()));
  }
  rbl::save_peft(options.folder, *loaded.unit, record);
  print(fmt::format("exported    {} with {} values, into {}\n", loaded.unit->kind(),
                    loaded.unit->elements(), options.folder));
  return kDone;
}

void add_common(CLI::App& app, Options& options) {
  app.add_option("--identity", options.identity, "The model file it belongs to")->required();
  app.add_flag("--force", options.force,
               "Take a behavior that was made for another identity, and record that");
  add_machine_options(app, options.machine);
}

}  // namespace

std::vector<Command> add_peft_commands(CLI::App& behavior) {
  const auto options = std::make_shared<Options>();
  CLI::App* in = behavior.add_subcommand("import-peft", "A PEFT LoRA or DoRA folder to a file");
  in->add_option("folder", options->folder, "With adapter_config.json and its tensors")->required();
  in->add_option("--out", options->file, "The behavior file to write")->required();
  in->add_option("--names", options->names, "What the folder calls the layers: own, llama, gpt2")
      ->capture_default_str();
  add_common(*in, *options);
  CLI::App* out = behavior.add_subcommand("export-peft", "A lora or dora file to a PEFT folder");
  out->add_option("file", options->file, "The behavior file")->required();
  out->add_option("--out", options->folder, "The folder to write")->required();
  add_common(*out, *options);
  return {{in, [options] { return run_import(*options); }},
          {out, [options] { return run_export(*options); }}};
}

}  // namespace palinode::experiments
