// A ledger that goes on where a checkpoint was taken. Its values do not come through commit, so
// what commit recorded of them is asked instead: the file must be the one the checkpoint belongs
// to, and the checkpoint must hold, parameter by parameter, what the file says was written last.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"

namespace palinode {
namespace {

// The text of a field of a record; no name or digest in one needs an escape.
std::string field(std::string_view body, std::string_view name) {
  const std::string key = fmt::format(",\"{}\":\"", name);
  const std::size_t begin = body.find(key);
  if (begin == std::string_view::npos) return "";
  const std::size_t from = begin + key.size();
  return std::string(body.substr(from, body.find('"', from) - from));
}

// What a record says of the last write to a parameter, or of a freeze.
struct Last {
  std::uint64_t written;
  std::string digest;  // none at the level summary
};

// A ledger file up to a checkpoint.
struct Prefix {
  std::map<std::string, Last> parameters, freezes;  // by STORE:ENTRY, by store
  std::uint64_t bytes = 0;
};

[[noreturn]] void fail(const std::string& path, std::uint64_t line, std::string_view what) {
  throw FormatError(fmt::format("resume: {} line {}: {}", path, line, what));
}

Prefix read_prefix(const std::string& path, const Checkpoint& checkpoint) {
  LedgerReader reader(path);
  Prefix prefix;
  if (checkpoint.sequence == 0) fail(path, 1, "the checkpoint was taken before the first record");
  while (reader.records() < checkpoint.sequence && reader.next()) {
    const std::uint64_t number = reader.records() - 1;
    const std::string_view body = reader.body();
    if (number == 0) {
      const std::string level = field(body, "level");
      if (level != level_name(checkpoint.level)) {
        fail(path, 1,
             fmt::format("its level is {}, the checkpoint's {}", level,
                         level_name(checkpoint.level)));
      }
    } else if (const std::string frozen = field(body, "freeze"); !frozen.empty()) {
      prefix.freezes[frozen] = {number, field(body, "fingerprint")};
    } else {
      const std::string name = fmt::format("{}:{}", field(body, "store"), field(body, "name"));
      prefix.parameters[name] = {number, field(body, "new")};
    }
  }
  if (!reader.fault().empty()) fail(path, reader.records() + 1, reader.fault());
  if (reader.records() < checkpoint.sequence) {
    fail(path, reader.records() + 1,
         fmt::format("the file ends before record {}, with which the checkpoint was taken",
                     checkpoint.sequence - 1));
  }
  if (reader.head() != checkpoint.head) {
    fail(path, reader.records(), "its chain is not the one the checkpoint was taken with");
  }
  prefix.bytes = reader.bytes();
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
          (checkpoint.level == Ledger::Level::kDigest && found->second.digest != digest)) {
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
Ledger::Ledger(const Checkpoint& checkpoint) : level_(checkpoint.level) { restore(checkpoint); }

Ledger::Ledger(const Checkpoint& checkpoint, const std::string& path)
    : level_(checkpoint.level), path_(path) {
  std::uint64_t bytes = 0;
  if (level_ != Level::kOff) {
    const Prefix prefix = read_prefix(path, checkpoint);
    check_against(prefix, path, checkpoint);
    restore(checkpoint);
    for (const auto& [name, freeze] : prefix.freezes) {
      for (const auto& store : stores_) {
        if (store->name() != name || hex(fingerprint(*store)) == freeze.digest) continue;
        fail(path, freeze.written + 1,
             fmt::format("the fingerprint of {} is not that of the checkpoint", name));
      }
    }
    bytes = prefix.bytes;
  } else {
    restore(checkpoint);
  }
  // Everything is checked: only now is the file touched.
  std::error_code error;
  std::filesystem::resize_file(path, bytes, error);
  if (!error) file_.open(path, std::ios::binary | std::ios::app);
  if (error || !file_) throw EnvironmentError(fmt::format("ledger: cannot write {}", path));
}

void Ledger::sync() const {
  if (path_.empty()) return;
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  const bool done = descriptor >= 0 && ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (!done) throw EnvironmentError(fmt::format("ledger: cannot write {}", path_));
}

}  // namespace palinode
