// `palinode ledger`: what a ledger file says, whether it can be trusted, and the way back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/command.h"

namespace palinode::experiments::ledger {

// Which ledger: a ledger.jsonl, or the folder of a run for the one in it. Payloads are in
// `journal`, if that is empty in FILE.journal.
struct Source {
  std::string path, journal;
  bool is_folder() const;
  std::string file() const;
};

struct ShowOptions {
  Source source;
  std::string store, name, reason;        // empty: all
  std::optional<std::uint64_t> from, to;  // records, both included
  bool json = false;
};

struct VerifyOptions {
  Source source;
  std::string head;
};

struct WhyOptions {
  Source source;
  std::string element;
  bool changed = false, json = false;
};

struct ReportOptions {
  Source source;
  bool commits = false, json = false;
};

struct ReplayOptions {
  Source source;
  std::optional<std::uint64_t> to;
  std::string out, check;
};

struct UndoOptions {
  Source source;
  std::uint64_t to = 0;
  std::string checkpoint, out;
};

// Each prints what it found and returns an exit code.
int show(const ShowOptions& options);
int verify(const VerifyOptions& options);
int why(const WhyOptions& options);
int report(const ReportOptions& options);
int replay(const ReplayOptions& options);
int undo(const UndoOptions& options);

// One for each of them.
std::vector<Command> add_ledger_commands(CLI::App& app);

}  // namespace palinode::experiments::ledger
