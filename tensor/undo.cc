#include "tensor/undo.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensor/difference.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"

namespace palinode {
namespace {

struct Past {
  Record record;
  std::uint64_t payload = 0;  // its offset
};

// A store on its way back.
struct Reverted {
  struct Item {
    std::string name;
    Tensor value;
    bool there = true;     // in the store now, in this place
    bool touched = false;  // since the record
  };
  const Store* store = nullptr;
  std::vector<Item> items = {};
};

// Plays records backwards over the values of a ledger.
class Reversal {
 public:
  Reversal(const Ledger& ledger, const LedgerReader& reader) : reader_(reader) {
    for (const Store* store : ledger.stores()) {
      Reverted& reverted = stores_[store->name()];
      reverted.store = store;
      for (const Entry& entry : store->entries())
        reverted.items.push_back({entry.name, entry.value});
    }
  }

  void revert(const Past& past) {
    const Record& record = past.record;
    const auto found = stores_.find(record.store);
    if (found == stores_.end()) fail(record, "there is no such store");
    std::vector<Reverted::Item>& items = found->second.items;
    if (record.removed) {
      if (std::ranges::find(items, record.name, &Reverted::Item::name) != items.end()) {
        fail(record, "it was removed and is there");
      }
      const Tensor zeros = Tensor::zeros(record.journal->shape, record.journal->dtype.value());
      items.push_back({record.name, before(past, zeros), false, true});
      return;
    }
    const auto item = std::ranges::find(items, record.name, &Reverted::Item::name);
    if (item == items.end()) fail(record, "there is no such entry");
    if (!record.created()) {
      item->value = before(past, item->value);
      item->touched = true;
      return;
    }
    if (item + 1 != items.end()) fail(record, "it was created before others and after them");
    before(past, item->value);
    items.pop_back();
  }

  Proposal proposal(std::uint64_t to) const {
    Proposal proposal{.reason = Reason::kUndo, .proposer = "undo", .step = to};
    for (const auto& [name, reverted] : stores_) {
      const std::span<const Entry> now = reverted.store->entries();
      const auto stay = static_cast<std::size_t>(
          std::ranges::count(reverted.items, true, &Reverted::Item::there));
      for (std::size_t place = now.size(); place > stay; --place) {
        proposal.removals.push_back({reverted.store, now[place - 1].name});
      }
      for (const Reverted::Item& item : reverted.items) {
        if (!item.touched) continue;
        proposal.writes.push_back({reverted.store, item.name, item.value, !item.there});
      }
    }
    return proposal;
  }

 private:
  [[noreturn]] void fail(const Record& record, std::string_view what) const {
    throw FormatError(fmt::format("undo: {} record {}, {}: {}", reader_.name(), record.seq,
                                  record.where(), what));
  }

  // The value before a write, from that after it.
  Tensor before(const Past& past, const Tensor& after) {
    const Record& record = past.record;
    Tensor value;
    try {
      value = decoder_.apply(reader_.payload(record, past.payload), after);
    } catch (const FormatError& error) {
      fail(record, error.what());
    }
    const Tensor zeros = record.created() ? Tensor::zeros(value.shape(), value.dtype()) : Tensor();
    const std::string digest = record.created() ? hex(xxh3(zeros)) : record.before;
    if (hex(xxh3(value)) != digest) {
      fail(record, "undone, it has not the bits it had before this write");
    }
    return value;
  }

  const LedgerReader& reader_;
  DifferenceDecoder decoder_;
  std::map<std::string, Reverted, std::less<>> stores_;
};

}  // namespace

Proposal undo(const Ledger& ledger, std::uint64_t to) {
  if (ledger.level() != Ledger::Level::kJournal) {
    throw Error(fmt::format("undo: the ledger's level is {}; undoing needs the level journal",
                            level_name(ledger.level())));
  }
  if (to >= ledger.sequence()) {
    throw Error(
        fmt::format("undo: there is no record {} yet, the last is {}", to, ledger.sequence() - 1));
  }
  LedgerReader reader = ledger.read();
  if (to + 1 < reader.records()) {
    throw Error(
        fmt::format("undo: the journal in memory begins with record {}; expected to undo "
                    "to {} or later, got {}",
                    reader.records(), reader.records() - 1, to));
  }
  std::vector<Past> past;
  while (reader.next()) {
    const std::uint64_t seq = reader.records() - 1;
    if (seq == to && reader.inside_commit()) {
      const Record::Journal commit = reader.record().journal.value();
      throw Error(
          fmt::format("undo: record {} is inside the commit of records {} to {}; expected "
                      "{} or {}",
                      to, commit.first, commit.last, commit.first - 1, commit.last));
    }
    if (seq <= to) continue;
    Record record = reader.record();
    if (record.kind == Record::Kind::kWrite) {
      past.push_back({std::move(record), reader.payload_offset()});
    }
  }
  reader.require_no_fault();
  if (reader.head() != ledger.head()) {
    throw FormatError(fmt::format("undo: {} is not the file this ledger wrote", reader.name()));
  }
  Reversal reversal(ledger, reader);
  for (auto each = past.rbegin(); each != past.rend(); ++each) reversal.revert(*each);
  return reversal.proposal(to);
}

}  // namespace palinode
