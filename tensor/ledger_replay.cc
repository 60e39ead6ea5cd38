#include "tensor/ledger_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "tensor/error.h"

namespace palinode {
namespace {

bool same_words(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Tensor x = a.compact(), y = b.compact();
  return with_element(x.dtype(), [&]<class T>() {
    const auto p = std::as_bytes(x.values<T>()), q = std::as_bytes(y.values<T>());
    return p.empty() || std::memcmp(p.data(), q.data(), p.size()) == 0;
  });
}

std::string difference_of(const Checkpoint::Kept& a, const Checkpoint::Kept& b) {
  if (a.role != b.role) return fmt::format("the role of {}", a.name);
  if (a.frozen_since != b.frozen_since) return fmt::format("the freeze of {}", a.name);
  for (std::size_t i = 0; i < std::max(a.entries.size(), b.entries.size()); ++i) {
    if (i >= a.entries.size() || i >= b.entries.size() || a.entries[i].name != b.entries[i].name) {
      return fmt::format("entry {} of {}", i, a.name);
    }
    const std::string name = fmt::format("{}/{}", a.name, a.entries[i].name);
    if (!same_words(a.entries[i].value, b.entries[i].value)) return fmt::format("bits of {}", name);
    if (a.entries[i].written != b.entries[i].written) {
      return fmt::format("the last write to {}", name);
    }
  }
  return "";
}

std::map<std::string, const Checkpoint::Kept*> filled(const Checkpoint& checkpoint) {
  std::map<std::string, const Checkpoint::Kept*> stores;
  for (const Checkpoint::Kept& store : checkpoint.stores) {
    if (!store.entries.empty()) stores[store.name] = &store;
  }
  return stores;
}

}  // namespace

LedgerReplay::LedgerReplay(const std::string& path, const std::string& journal)
    : reader_(path, journal) {
  if (reader_.level() != Ledger::Level::kJournal) {
    throw Error(fmt::format("{}: its level is {}; replaying needs the level journal", path,
                            level_name(reader_.level())));
  }
}

void LedgerReplay::fail(const std::string& what) const {
  throw FormatError(fmt::format("replay: {} line {}: {}", reader_.name(), reader_.records(), what));
}

bool LedgerReplay::next() {
  if (!reader_.next()) {
    reader_.require_no_fault();
    return false;
  }
  record_ = reader_.record();
  before_ = after_ = Tensor();
  if (record_.kind == Record::Kind::kFreeze) freeze();
  if (record_.kind == Record::Kind::kWrite) write();
  return true;
}

Checkpoint::Kept& LedgerReplay::store_of() {
  const auto found = std::ranges::find(stores_, record_.store, &Checkpoint::Kept::name);
  if (found != stores_.end()) return *found;
  if (record_.kind == Record::Kind::kWrite && !record_.created()) fail("there is no such store");
  if (!record_.role) fail("the record does not tell the role of its store");
  stores_.push_back({.name = record_.store, .role = *record_.role});
  return stores_.back();
}

// The store that its records give must be the one that was frozen.
void LedgerReplay::freeze() {
  Checkpoint::Kept& store = store_of();
  store.frozen_since = record_.seq;
  if (hex(fingerprint(std::span<const Entry>(store.entries))) != record_.fingerprint) {
    fail(fmt::format("{} has not the fingerprint it was frozen with", store.name));
  }
}

void LedgerReplay::check(const Tensor& value, const std::string& digest, const char* when) const {
  if (hex(xxh3(value)) != digest) {
    fail(fmt::format("{} has not the bits it had {} this write", record_.where(), when));
  }
}

void LedgerReplay::write() {
  Checkpoint::Kept& store = store_of();
  if (store.frozen_since) fail(fmt::format("{} was frozen before", store.name));
  const auto entry = std::ranges::find(store.entries, record_.name, &Entry::name);
  if ((entry == store.entries.end()) != record_.created()) {
    fail(fmt::format("{} is{} there", record_.where(), record_.created() ? "" : " not"));
  }
  if (record_.created()) {
    before_ = Tensor::zeros(record_.journal->shape, record_.journal->dtype.value());
  } else {
    before_ = entry->value;
    check(before_, record_.before, "before");
  }
  try {
    after_ = decoder_.apply(reader_.payload(record_, reader_.payload_offset()), before_);
  } catch (const FormatError& error) {
    fail(error.what());
  }
  const std::string digest = hex(xxh3(after_));
  if (record_.removed) {
    if (entry + 1 != store.entries.end()) fail(record_.where() + " is not the newest entry");
    if (digest != hex(xxh3(Tensor::zeros(after_.shape(), after_.dtype())))) {
      fail(
          fmt::format("{} is removed, but its difference is not the whole of it", record_.where()));
    }
    store.entries.pop_back();
    return;
  }
  check(after_, record_.after, "after");
  if (record_.created()) {
    store.entries.push_back({record_.name, after_, record_.seq, xxh3(after_)});
  } else {
    entry->value = after_;
    entry->written = record_.seq;
    entry->digest = xxh3(after_);
  }
}

Checkpoint LedgerReplay::checkpoint() const {
  if (reader_.inside_commit()) {
    const Record::Journal& commit = record_.journal.value();
    throw Error(fmt::format(
        "{}: record {} is inside the commit of records {} to {}; expected {} "
        "or {}",
        reader_.name(), record_.seq, commit.first, commit.last, commit.first - 1, commit.last));
  }
  return {.level = reader_.level(),
          .sequence = reader_.records(),
          .head = reader_.head(),
          .stores = stores_};
}

Checkpoint replay_ledger(const std::string& path, std::optional<std::uint64_t> to,
                         const std::string& journal) {
  LedgerReplay replay(path, journal);
  while (!(to && replay.reader().records() > *to) && replay.next()) {
  }
  if (to && replay.reader().records() != *to + 1) {
    throw Error(fmt::format("{}: expected the number of a record, up to {}, got {}", path,
                            replay.reader().records() - 1, *to));
  }
  return replay.checkpoint();
}

std::string first_difference(const Checkpoint& a, const Checkpoint& b) {
  const auto left = filled(a), right = filled(b);
  for (const auto& [name, store] : left) {
    const auto found = right.find(name);
    if (found == right.end()) return fmt::format("the store {}", name);
    if (std::string what = difference_of(*store, *found->second); !what.empty()) return what;
  }
  for (const auto& [name, store] : right) {
    if (!left.contains(name)) return fmt::format("the store {}", name);
  }
  if (a.sequence != b.sequence)
    return fmt::format("the number of records, {} and {}", a.sequence, b.sequence);
  return a.head == b.head ? "" : "the head of the chain";
}

}  // namespace palinode
