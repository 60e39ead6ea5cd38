// `palinode ledger replay` and `undo`.
#include "tensor/undo.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "experiments/ledger/command.h"
#include "experiments/train/take_back.h"
#include "experiments/usage_error.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"

namespace palinode::experiments::ledger {
namespace {

namespace fs = std::filesystem;

void copy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::none, error);
  if (error) throw EnvironmentError(fmt::format("{}: {}", to, error.message()));
}

void make_new_folder(const std::string& path) {
  std::error_code error;
  const bool made = fs::create_directories(path, error);
  if (error) throw EnvironmentError(fmt::format("{}: {}", path, error.message()));
  if (!made && !fs::is_empty(path, error)) {
    throw UsageError(fmt::format("--out {}: expected a new or an empty folder", path));
  }
}

Checkpoint end_of(const UndoOptions& options) {
  if (options.checkpoint.empty()) {
    return replay_ledger(options.source.file(), std::nullopt, options.source.journal);
  }
  Checkpoint end = load_checkpoint(options.checkpoint);
  const LedgerVerdict verdict = verify_ledger(options.source.file(), options.source.journal);
  if (!verdict.intact || verdict.records != end.sequence || verdict.head != end.head) {
    throw UsageError(fmt::format(
        "--checkpoint {}: expected one of the ledger's end, after {} records, got one after {}{}",
        options.checkpoint, verdict.records, end.sequence,
        verdict.intact ? "" : "; and the ledger is broken: " + verdict.fault));
  }
  return end;
}

std::string summary(const Proposal& proposal, const Ledger& ledger, const UndoOptions& options) {
  return fmt::format(
      "undone to record {}: {} values put back, {} entries removed; {} records, head {}\n"
      "into {}\n",
      options.to, proposal.writes.size(), proposal.removals.size(), ledger.sequence(),
      hex(ledger.head()), options.out);
}

}  // namespace

int replay(const ReplayOptions& options) {
  const Checkpoint state = replay_ledger(options.source.file(), options.to, options.source.journal);
  std::size_t entries = 0;
  for (const Checkpoint::Kept& store : state.stores) entries += store.entries.size();
  print(
      fmt::format("replayed to record {}: {} entries in {} stores, each with the bits of its "
                  "record's digest; head {}\n",
                  state.sequence - 1, entries, state.stores.size(), hex(state.head)));
  if (!options.out.empty()) save_checkpoint(options.out, state);
  if (options.check.empty()) return kDone;
  const std::string difference = first_difference(state, load_checkpoint(options.check));
  print(
      fmt::format("{}: {}\n", options.check,
                  difference.empty() ? "the same state, bit for bit" : "differs in " + difference));
  return difference.empty() ? kDone : kCheckFailed;
}

int undo(const UndoOptions& options) {
  if (options.source.is_folder()) {
    if (!options.checkpoint.empty() || !options.source.journal.empty()) {
      throw UsageError("undo: the folder of a run has its own checkpoint and journal");
    }
    make_new_folder(options.out);
    const train::TakenBack back = train::take_back(train::RunFolder(options.source.path),
                                                   train::RunFolder(options.out), options.to);
    print(
        fmt::format("undone to record {}, step {}: {} values put back, {} entries removed; {} "
                    "records, head {}\ninto {}; go on with: palinode train --resume --out {}\n",
                    options.to, back.step, back.written, back.removed, back.records, hex(back.head),
                    options.out, options.out));
    return kDone;
  }
  const Ledger::Level level = LedgerReader(options.source.file(), options.source.journal).level();
  if (level != Ledger::Level::kJournal) {
    throw UsageError(fmt::format("{}: its level is {}; undoing needs the level journal",
                                 options.source.file(), level_name(level)));
  }
  const Checkpoint end = end_of(options);
  make_new_folder(options.out);
  const train::RunFolder out(options.out);
  const std::string file = options.source.file();
  copy(file, out.ledger());
  copy(options.source.journal.empty() ? journal_path(file) : options.source.journal,
       journal_path(out.ledger()));
  Ledger ledger(end, out.ledger());
  const Proposal proposal = palinode::undo(ledger, options.to);
  ledger.commit(proposal);
  save_checkpoint(out.checkpoint(), ledger);
  print(summary(proposal, ledger, options));
  return kDone;
}

}  // namespace palinode::experiments::ledger
