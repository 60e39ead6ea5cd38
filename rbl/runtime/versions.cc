// Versions of a unit, and its end.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "rbl/runtime.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::rbl {
namespace {

// Two tensors of one shape and type.
VersionChange change_of(const std::string& name, const Tensor& a, const Tensor& b) {
  VersionChange change{.name = name, .elements = a.elements()};
  with_float(a.dtype(), "diff", [&]<class T>() {
    const std::span<const T> from = a.values<T>(), to = b.values<T>();
    double squares = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      using Word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
      if (std::bit_cast<Word>(from[i]) != std::bit_cast<Word>(to[i])) ++change.changed;
      const double step = static_cast<double>(to[i]) - static_cast<double>(from[i]);
      squares += step * step;
    }
    change.l2 = std::sqrt(squares);
  });
  return change;
}

}  // namespace

std::uint64_t Runtime::keep(std::string_view name) {
  const Roster now = fresh(name);
  const Unit& unit = now.at(name);
  if (unit.state == State::kDestroyed || unit.state == State::kQuarantined) {
    throw LifeCycleError(fmt::format("{}: no keep from {}", name, state_name(unit.state)));
  }
  if (unit.find(unit.version) != nullptr) {
    throw LifeCycleError(
        fmt::format("{}: version {} was kept already and has not changed", name, unit.version));
  }
  const Store& kept = store_for(fmt::format("{}.v{}", name, unit.version), Role::kBehavior);
  const Note note = note_of("keep", unit, {{"version", std::to_string(unit.version)}});
  Roster next = advanced(now, note);
  ledger_->commit(copy_of(unit.phi(), kept));
  try {
    publish(std::move(next), note);
  } catch (...) {
    ledger_->wipe(kept);
    throw;
  }
  return unit.version;
}

void Runtime::restore(std::string_view name, std::uint64_t version) {
  const Roster now = fresh(name);
  const Unit& unit = now.at(name);
  if (unit.pinned) throw LifeCycleError(fmt::format("{}: no restore, it is pinned", name));
  const Note note = note_of("restore", unit, {{"version", std::to_string(version)}});
  Roster next = advanced(now, note);
  const Store& kept = *unit.at(version).values;
  Proposal proposal{.reason = Reason::kRestore, .proposer = kept.name(), .step = version};
  for (const Entry& entry : kept.entries()) {
    proposal.writes.push_back({&unit.phi(), entry.name, entry.value});
  }
  ledger_->commit(proposal);
  publish(std::move(next), note);
}

std::vector<VersionChange> Runtime::diff(std::string_view name, std::uint64_t a,
                                         std::uint64_t b) const {
  const auto roster = roster_.load();
  const Unit& unit = roster->at(name);
  if (unit.state == State::kDestroyed) {
    throw LifeCycleError(fmt::format("{}: no diff from destroyed", name));
  }
  const auto values = [&](std::uint64_t version) -> const Store& {
    return version == 0 ? unit.phi() : *unit.at(version).values;
  };
  std::vector<VersionChange> changes;
  for (const Entry& entry : values(a).entries()) {
    changes.push_back(change_of(entry.name, entry.value, values(b).at(entry.name)));
  }
  return changes;
}

Tombstone Runtime::tombstone_of(const Unit& unit) const {
  return {.unit = unit.name,
          .kind = std::string(unit.behavior->kind()),
          .digest = digest(unit.statement()),
          .identity = unit.identity,
          .version = unit.version,
          .reason = unit.destruction->reason,
          .by = unit.destruction->by,
          .file = unit.file};
}

void Runtime::bury(const Tombstone& tombstone) {
  if (tombstone.file.empty()) return;
  remove_file(tombstone.file);
  write_file_atomically(tombstone_path(tombstone.file), to_json(tombstone) + "\n");
}

Tombstone Runtime::destroy(std::string_view name, const std::string& reason,
                           const std::string& by) {
  const Roster now = fresh(name);
  const Unit& unit = now.at(name);
  const Note note =
      note_of("destroy", unit, {{"reason", reason}, {"by", by}, {"values", hex(unit.values)}});
  Roster next = advanced(now, note);
  if (unit.pinned) throw LifeCycleError(fmt::format("{}: no destroy, it is pinned", name));
  if (const auto copies = now.copies_of(name); !copies.empty()) {
    throw LifeCycleError(
        fmt::format("{}: no destroy, it is merged into the copy {}, which is to be discarded first",
                    name, copies.front()));
  }
  if (ledger_->level() > Ledger::Level::kDigest) {
    throw LifeCycleError(fmt::format("{}: no destroy, a ledger of the level {} keeps its values",
                                     name, level_name(ledger_->level())));
  }
  for (const Store* store : next.gone) {
    if (const Entry* entry = Ledger::held(*store)) {
      throw LifeCycleError(fmt::format("{}: no destroy, somebody holds the value of {}/{}", name,
                                       store->name(), entry->name));
    }
  }
  publish(std::move(next), note);
  const std::uint64_t record = ledger_->sequence() - 1;
  Tombstone tombstone = tombstone_of(roster_.load()->at(name));
  tombstone.record = record;
  for (const Dropped& each : sweep()) tombstone.bytes_wiped += each.bytes;
  bury(tombstone);
  return tombstone;
}

}  // namespace palinode::rbl
