// A ledger that goes on where a checkpoint was taken. Its values do not come through commit, so
// what commit recorded of them is asked instead: the file must be the one the checkpoint belongs
// to, and the checkpoint must hold, parameter by parameter, what the file says was written last.
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "tensor/checkpoint.h"
#include "tensor/difference.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_memory.h"
#include "tensor/ledger_output.h"
#include "tensor/ledger_records.h"

namespace palinode {
namespace {

// What a record says of the last write to a parameter, or of a freeze.
struct Last {
  std::uint64_t written;
  std::string digest;  // none at the level summary
};

// A ledger file up to a checkpoint.
struct Prefix {
  std::map<std::string, Last> parameters, freezes;  // by STORE:ENTRY, by store
  std::uint64_t bytes = 0, payloads = 0;
};

// What a record says of entries and freezes.
void take(Prefix& prefix, std::uint64_t number, std::string_view body) {
  const auto field = [body](std::string_view name) { return std::string(text_field(body, name)); };
  if (!field("event").empty()) return;
  if (const std::string frozen = field("freeze"); !frozen.empty()) {
    prefix.freezes[frozen] = {number, field("fingerprint")};
    return;
  }
  const std::string name = fmt::format("{}:{}", field("store"), field("name"));
  if (body.find(R"(,"removed":true)") != std::string_view::npos) {
    prefix.parameters.erase(name);
  } else {
    prefix.parameters[name] = {number, field("new")};
  }
}

[[noreturn]] void fail(const std::string& path, std::uint64_t line, std::string_view what) {
  throw FormatError(fmt::format("resume: {} line {}: {}", path, line, what));
}

Prefix read_prefix(const std::string& path, const Checkpoint& checkpoint) {
  LedgerReader reader(path);
  Prefix prefix;
  if (checkpoint.sequence == 0) fail(path, 1, "the checkpoint was taken before the first record");
  if (reader.level() != checkpoint.level) {
    fail(path, 1,
         fmt::format("its level is {}, the checkpoint's {}", level_name(reader.level()),
                     level_name(checkpoint.level)));
  }
  if (reader.format() != static_cast<std::uint8_t>(format_of(checkpoint.level))) {
    fail(path, 1,
         fmt::format("its format is {}, and new records are of format {}", reader.format(),
                     static_cast<int>(format_of(checkpoint.level))));
  }
  while (reader.records() < checkpoint.sequence && reader.next()) {
    if (reader.records() > 1) take(prefix, reader.records() - 1, reader.body());
  }
  if (!reader.fault().empty()) fail(path, reader.records() + 1, reader.fault());
  if (reader.records() < checkpoint.sequence) {
    fail(path, reader.records() + 1,
         fmt::format("the file ends before record {}, with which the checkpoint was taken",
                     checkpoint.sequence - 1));
  }
  if (reader.inside_commit()) {
    fail(path, reader.records(), "the checkpoint was taken inside a commit");
  }
  if (reader.head() != checkpoint.head) {
    fail(path, reader.records(), "its chain is not the one the checkpoint was taken with");
  }
  prefix.bytes = reader.bytes();
  prefix.payloads = reader.payloads();
  return prefix;
}

void check_against(const Prefix& prefix, const std::string& path, const Checkpoint& checkpoint) {
  const auto line = [&](const std::map<std::string, Last>& map, const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? checkpoint.sequence : found->second.written + 1;
  };
  std::size_t entries = 0, frozen = 0;
  for (const Checkpoint::Kept& store : checkpoint.stores) {
    for (const Entry& entry : store.entries) {
      const std::string name = fmt::format("{}:{}", store.name, entry.name);
      const auto found = prefix.parameters.find(name);
      const std::string digest = hex(xxh3(entry.value));
      ++entries;
      if (found == prefix.parameters.end() || found->second.written != entry.written ||
          (checkpoint.level >= Ledger::Level::kDigest && found->second.digest != digest)) {
        fail(path, line(prefix.parameters, name),
             fmt::format("the last write to {}/{} is not the one the checkpoint holds", store.name,
                         entry.name));
      }
    }
    if (!store.frozen_since) continue;
    ++frozen;
    const auto found = prefix.freezes.find(store.name);
    if (found == prefix.freezes.end() || found->second.written != *store.frozen_since) {
      fail(path, line(prefix.freezes, store.name),
           fmt::format("the freeze of {} is not the one the checkpoint holds", store.name));
    }
  }
  if (entries != prefix.parameters.size() || frozen != prefix.freezes.size()) {
    fail(path, checkpoint.sequence, "parameters or freezes are missing from the checkpoint");
  }
}

}  // namespace

void Ledger::restore(const Checkpoint& checkpoint) {
  for (const Checkpoint::Kept& kept : checkpoint.stores) {
    check_name("resume", kept.name);
    Store& store = add(kept.name, kept.role);
    store.open_ = false;
    for (const Entry& entry : kept.entries) {
      check_name("resume", entry.name);
      if (!store.places_.emplace(entry.name, store.entries_.size()).second) {
        throw NameError(fmt::format("resume: {}/{} is there twice", kept.name, entry.name));
      }
      store.entries_.push_back({entry.name, entry.value.copy(), entry.written, std::nullopt});
      if (level_ >= Level::kDigest) store.entries_.back().digest = xxh3(entry.value);
    }
    if (kept.frozen_since) protect(store, read_only(store, Guard::kSealed), *kept.frozen_since);
  }
  sequence_ = checkpoint.sequence;
  head_ = checkpoint.head;
}

// There are no records here to ask; the checkpoint's own digests were when it was loaded.
Ledger::Ledger(const Checkpoint& checkpoint) : level_(checkpoint.level) {
  restore(checkpoint);
  start_journal();
}

Ledger::Ledger(const Checkpoint& checkpoint, const std::string& path)
    : level_(checkpoint.level), path_(path) {
  Prefix prefix;
  if (level_ != Level::kOff) {
    prefix = read_prefix(path, checkpoint);
    check_against(prefix, path, checkpoint);
    restore(checkpoint);
    for (const auto& [name, freeze] : prefix.freezes) {
      for (const auto& store : stores_) {
        if (store->name() != name || hex(fingerprint(*store)) == freeze.digest) continue;
        fail(path, freeze.written + 1,
             fmt::format("the fingerprint of {} is not that of the checkpoint", name));
      }
    }
  } else {
    restore(checkpoint);
  }
  // Everything is checked: only now are the files touched.
  output_ = std::make_unique<LedgerOutput>(path, prefix.bytes, level_ == Level::kJournal,
                                           prefix.payloads);
  start_journal();
}

void Ledger::sync() const {
  if (output_ != nullptr) output_->sync();
}

}  // namespace palinode
