#include "tensor/ledger_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "tensor/error.h"
#include "tensor/ledger_replay.h"

namespace palinode {
namespace {

kernels::Change change_of(const Tensor& before, const Tensor& after) {
  const Tensor a = before.compact(), b = after.compact();
  return with_element(a.dtype(),
                      [&]<class T>() { return kernels::change<T>(a.values<T>(), b.values<T>()); });
}

// The tensors of a ledger and the operation that is being summed up.
class Summary {
 public:
  explicit Summary(Grouping grouping) : grouping_(grouping) {}

  // `replay` has just played the record; none below the level journal.
  void take(const Record& record, const LedgerReplay* replay) {
    if (record.kind == Record::Kind::kBegin) return;
    if (begins(record)) start(record);
    Operation& operation = operations_.back();
    operation.last = record.seq;
    if (record.kind == Record::Kind::kFreeze) return;
    operation.last_step = record.step;
    seed_ = record.seed;
    add(operation, record);
    if (replay != nullptr) add_values(record, *replay);
    note_entry(record);
  }

  std::vector<Operation> finish() {
    end();
    return std::move(operations_);
  }

 private:
  struct Values {
    Tensor before, after;
  };

  bool begins(const Record& record) const {
    if (operations_.empty() || record.kind == Record::Kind::kFreeze) return true;
    const Operation& last = operations_.back();
    if (last.reason != record.reason || last.proposer != record.proposer) return true;
    if (grouping_ == Grouping::kRuns) return false;
    if (record.journal) return record.journal->first == record.seq;
    return last.last_step != record.step || seed_ != record.seed ||
           places_.contains(record.where());
  }

  void start(const Record& record) {
    end();
    const bool freeze = record.kind == Record::Kind::kFreeze;
    operations_.push_back({.reason = freeze ? "freeze" : record.reason,
                           .proposer = freeze ? record.store : record.proposer,
                           .first = record.seq,
                           .first_step = record.step});
    places_.clear();
    values_.clear();
  }

  void add(Operation& operation, const Record& record) {
    const auto [place, is_new] = places_.emplace(record.where(), operation.changes.size());
    if (is_new) operation.changes.push_back({.store = record.store, .name = record.name});
    TensorChange& change = operation.changes[place->second];
    ++change.writes;
    change.elements = record.elements;
    change.changed += record.changed;
    change.max_abs =
        std::isnan(record.max_abs) ? record.max_abs : std::max(change.max_abs, record.max_abs);
    change.l2 += record.l2 * record.l2;  // the root is taken at the end
    change.created = change.created || record.created();
    change.removed = record.removed;
  }

  void add_values(const Record& record, const LedgerReplay& replay) {
    const auto [at, is_new] = values_.try_emplace(record.where());
    if (is_new) at->second.before = replay.before();
    at->second.after = replay.after();
  }

  void note_entry(const Record& record) {
    const std::string name = record.where();
    const auto found = std::ranges::find(entries_, name);
    if (record.removed && found != entries_.end()) entries_.erase(found);
    if (!record.removed && found == entries_.end()) entries_.push_back(name);
  }

  void end() {
    if (operations_.empty()) return;
    Operation& operation = operations_.back();
    for (TensorChange& change : operation.changes) {
      change.l2 = std::sqrt(change.l2);
      const auto values = values_.find(change.store + "/" + change.name);
      if (values == values_.end()) continue;
      const auto& [before, after] = values->second;
      // A name that was removed and made anew in another shape has no difference.
      if (before.shape() == after.shape() && before.dtype() == after.dtype()) {
        change.net = change_of(before, after);
      }
    }
    for (const std::string& entry : entries_) {
      const auto place = places_.find(entry);
      if (place != places_.end()) {
        const TensorChange& change = operation.changes[place->second];
        const bool moved = change.net ? change.net->elements_changed > 0 : change.changed > 0;
        if (moved || change.created) continue;
      }
      operation.unchanged.push_back(entry);
    }
  }

  Grouping grouping_;
  std::vector<Operation> operations_;
  std::map<std::string, std::size_t> places_;  // of tensors in the operation's changes
  std::map<std::string, Values> values_;       // of those tensors
  std::vector<std::string> entries_;           // all there are
  std::uint64_t seed_ = 0;
};

}  // namespace

std::vector<Operation> report_ledger(const std::string& path, Grouping grouping,
                                     const std::string& journal) {
  Summary summary(grouping);
  LedgerReader reader(path, journal);
  if (reader.level() == Ledger::Level::kJournal) {
    LedgerReplay replay(path, journal);
    while (replay.next()) summary.take(replay.record(), &replay);
    return summary.finish();
  }
  while (reader.next()) summary.take(reader.record(), nullptr);
  reader.require_no_fault();
  return summary.finish();
}

}  // namespace palinode
