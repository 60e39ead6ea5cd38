#include "rbl/runtime.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tensor/error.h"
#include "tensor/ledger_record.h"

namespace palinode::rbl {
namespace {

// The store of which a record tells that an entry was destroyed, or "". All go in one commit.
std::string_view destroyed_store(std::string_view record) {
  return text_field(record, "reason") == "destroy" ? text_field(record, "store") : "";
}

std::uint64_t newest_write(const Store& store) {
  std::uint64_t newest = 0;
  for (const Entry& entry : store.entries()) newest = std::max(newest, entry.written);
  return newest;
}

}  // namespace

Runtime::Runtime(Ledger& ledger, const nn::Network& identity, RuntimeOptions options)
    : Runtime(ledger, identity, std::move(options), {}) {}

Runtime::Runtime(Ledger& ledger, const nn::Network& identity, RuntimeOptions options,
                 std::span<const std::string> records)
    : ledger_(&ledger),
      identity_(&identity),
      options_(std::move(options)),
      fingerprint_(fingerprint(identity.store())),
      function_(live()) {
  for (const Store* store : {&identity.store(), identity.buffers()}) {
    if (store == nullptr || store->entries().empty() || store->frozen()) continue;
    throw FrozenError(fmt::format("runtime: {} is not frozen", store->name()));
  }
  Roster roster;
  for (const std::string& record : records) {
    // Most records are writes, and tell nothing here.
    if (const std::string_view name = destroyed_store(record); !name.empty()) {
      std::erase_if(roster.gone, [&](const Store* store) { return store->name() == name; });
    } else if (record.find(",\"event\":\"") != std::string::npos) {
      if (const auto note = parse_note(record)) roster = advanced(std::move(roster), *note);
    }
  }
  roster_.store(std::make_shared<const Roster>(std::move(roster)));
  sweep();
  for (const auto& [name, unit] : roster_.load()->units) {
    if (unit->state != State::kDestroyed || unit->file.empty()) continue;
    if (!std::filesystem::exists(tombstone_path(unit->file))) bury(tombstone_of(*unit));
  }
  if (!options_.probes.empty()) plain_ = observe(identity, identity, options_.probes);
}

Runtime::~Runtime() = default;

std::vector<std::string> Runtime::active() const {
  const auto roster = roster_.load();
  std::vector<std::string> names;
  for (const std::string& name : roster->stack) {
    if (roster->at(name).state == State::kEnabled) names.push_back(name);
  }
  return names;
}

const Store* Runtime::find_store(std::string_view name) const {
  const std::vector<const Store*> all = ledger_->stores();
  const auto found =
      std::ranges::find_if(all, [name](const Store* store) { return store->name() == name; });
  return found == all.end() ? nullptr : *found;
}

// An operation that failed may have left an empty one.
const Store& Runtime::store_for(const std::string& name, Role role) {
  const Store* found = find_store(name);
  if (found == nullptr) return ledger_->open(name, role);
  if (found->role() == role && found->entries().empty()) return *found;
  throw NameError(fmt::format("runtime: there is a store named {} already", name));
}

// The roster, with the fingerprint of the unit's values as they are.
Roster Runtime::fresh(std::string_view name) const {
  Roster roster = *roster_.load();
  const Unit& unit = roster.at(name);
  if (unit.state == State::kDestroyed) return roster;
  const std::uint64_t newest = newest_write(unit.phi());
  if (newest == unit.newest) return roster;
  Unit read = unit;
  read.newest = newest;
  read.values = fingerprint(unit.phi());
  roster.units.find(name)->second = std::make_shared<const Unit>(std::move(read));
  return roster;
}

Note Runtime::note_of(std::string_view event, const Unit& unit, Fields fields) const {
  Note note{.event = std::string(event),
            .fields = {{"unit", unit.name}, {"digest", hex(digest(unit.statement()))}}};
  note.fields.insert(note.fields.end(), fields.begin(), fields.end());
  return note;
}

// What can fail comes before the record, and after it only a pointer changes.
void Runtime::publish(Roster next, const Note& note) {
  auto ready = std::make_shared<const Roster>(std::move(next));
  ledger_->note(note);
  roster_.store(std::move(ready));
}

void Runtime::step(std::string_view unit, std::string_view event, Fields fields) {
  const Roster now = fresh(unit);
  const Note note = note_of(event, now.at(unit), std::move(fields));
  publish(advanced(now, note), note);
}

// Wipes what is to be gone; what a failure leaves, the next sweep does.
std::vector<Dropped> Runtime::sweep() {
  Roster roster = *roster_.load();
  std::vector<Dropped> dropped;
  for (const Store* store : roster.gone) {
    const Ledger::Wiped wiped = ledger_->wipe(*store);
    if (wiped.entries == 0) continue;
    dropped.push_back({store->name(), wiped.entries, wiped.bytes, wiped.held});
  }
  if (roster.gone.empty()) return dropped;
  roster.gone.clear();
  roster_.store(std::make_shared<const Roster>(std::move(roster)));
  return dropped;
}

void Runtime::pin(std::string_view unit) {
  if (roster_.load()->at(unit).state == State::kDestroyed) {
    throw LifeCycleError(fmt::format("{}: no pin from destroyed", unit));
  }
  step(unit, "pin");
}

void Runtime::unpin(std::string_view unit) {
  if (!roster_.load()->at(unit).pinned) {
    throw LifeCycleError(fmt::format("{}: no unpin, it is not pinned", unit));
  }
  step(unit, "unpin");
}

void Runtime::bind_file(std::string_view unit, const std::string& path) {
  if (roster_.load()->at(unit).state == State::kDestroyed) {
    throw LifeCycleError(fmt::format("{}: no file from destroyed", unit));
  }
  step(unit, "file", {{"path", path}});
}

}  // namespace palinode::rbl
