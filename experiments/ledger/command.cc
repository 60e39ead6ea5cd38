#include "experiments/ledger/command.h"

#include <filesystem>
#include <memory>
#include <system_error>

#include "experiments/train/run_folder.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"

namespace palinode::experiments::ledger {
namespace {

// What cannot be done with this ledger was the wrong thing to ask for.
template <class Options>
Command command(CLI::App* app, int (*run)(const Options&),
                const std::shared_ptr<Options>& options) {
  return {app, [run, options] {
            try {
              return run(*options);
            } catch (const FormatError&) {
              throw;
            } catch (const EnvironmentError&) {
              throw;
            } catch (const FrozenError&) {
              throw;
            } catch (const Error& error) {
              throw UsageError(error.what());
            }
          }};
}

void add_source(CLI::App& app, Source& source) {
  app.add_option("file", source.path, "A ledger.jsonl, or the folder of a run")->required();
  app.add_option("--journal", source.journal, "Its payloads (default: FILE.journal)");
}

Command add_show(CLI::App& ledger) {
  CLI::App* app = ledger.add_subcommand("show", "Print the records");
  const auto options = std::make_shared<ShowOptions>();
  add_source(*app, options->source);
  app->add_option("--store", options->store, "Of this store only");
  app->add_option("--name", options->name, "Of the entries of this name only");
  app->add_option("--reason", options->reason, "With this reason only (freeze: the freezes)");
  app->add_option("--from", options->from, "From this record on");
  app->add_option("--to", options->to, "Up to this record");
  app->add_flag("--json", options->json, "The lines of the file as they are");
  return command(app, show, options);
}

Command add_verify(CLI::App& ledger) {
  CLI::App* app = ledger.add_subcommand("verify", "Recompute the chain and every payload's digest");
  const auto options = std::make_shared<VerifyOptions>();
  add_source(*app, options->source);
  app->add_option("--head", options->head,
                  "The head that was kept elsewhere: results.json and the table give it");
  return command(app, verify, options);
}

Command add_why(CLI::App& ledger) {
  CLI::App* app = ledger.add_subcommand("why", "Every write to one tensor or one element of it");
  const auto options = std::make_shared<WhyOptions>();
  add_source(*app, options->source);
  app->add_option("element", options->element,
                  "NAME, NAME[i] or NAME[i,j,...]; NAME may have its store before it: STORE/NAME")
      ->required();
  app->add_flag("--changed", options->changed, "Only writes that changed it");
  app->add_flag("--json", options->json, "As JSON");
  return command(app, why, options);
}

Command add_report(CLI::App& ledger) {
  CLI::App* app =
      ledger.add_subcommand("report", "Which tensors each operation changed, and which not");
  const auto options = std::make_shared<ReportOptions>();
  add_source(*app, options->source);
  app->add_flag("--commits", options->commits,
                "Each commit by itself (default: neighbouring ones of one reason and proposer)");
  app->add_flag("--json", options->json, "As JSON");
  return command(app, report, options);
}

Command add_replay(CLI::App& ledger) {
  CLI::App* app =
      ledger.add_subcommand("replay", "Rebuild every value from the journal, bit for bit");
  app->footer(
      "Exit code 1: --check found another state. A run is also repeated, from its seed, by\n"
      "`palinode train`; its checkpoint then passes --check too.");
  const auto options = std::make_shared<ReplayOptions>();
  add_source(*app, options->source);
  app->add_option("--to", options->to, "Up to this record (default: the last)");
  app->add_option("--out", options->out, "Write the state as a checkpoint");
  app->add_option("--check", options->check, "Compare the state with a checkpoint, bit for bit");
  return command(app, replay, options);
}

Command add_undo(CLI::App& ledger) {
  CLI::App* app = ledger.add_subcommand("undo", "Take back every write past a record");
  app->footer(
      "The source stays as it is. DIR gets a copy of the ledger with the undoing as its last\n"
      "commit, and a checkpoint; of a run, all it takes to go on with train --resume.\n"
      "Example:\n"
      "  palinode ledger undo runs/digits_mlp --to 1305 --out runs/back");
  const auto options = std::make_shared<UndoOptions>();
  add_source(*app, options->source);
  app->add_option("--to", options->to, "The last record that stays")->required();
  app->add_option("--checkpoint", options->checkpoint,
                  "The values at the ledger's end (default: from the journal)");
  app->add_option("--out", options->out, "A new folder")->required();
  return command(app, undo, options);
}

}  // namespace

bool Source::is_folder() const {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

std::string Source::file() const { return is_folder() ? train::RunFolder(path).ledger() : path; }

std::vector<Command> add_ledger_commands(CLI::App& app) {
  CLI::App* ledger = app.add_subcommand("ledger", "Read a ledger file, and go back by it");
  ledger->require_subcommand(1);
  ledger->footer(
      "Examples:\n"
      "  palinode ledger verify results/ledger.jsonl --head 14e2a4d7...\n"
      "  palinode ledger show runs/digits_mlp --name layer.0.weight --from 100 --to 200\n"
      "  palinode ledger why runs/digits_mlp layer.0.weight[3,4]\n"
      "  palinode ledger report runs/digits_mlp\n"
      "  palinode ledger replay runs/digits_mlp --check runs/digits_mlp/checkpoint.safetensors\n"
      "why of an element, replay and undo need a ledger of the level journal.");
  return {add_show(*ledger),   add_verify(*ledger), add_why(*ledger),
          add_report(*ledger), add_replay(*ledger), add_undo(*ledger)};
}

}  // namespace palinode::experiments::ledger
