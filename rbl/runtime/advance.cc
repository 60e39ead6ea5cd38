// What an event makes of a roster. Operations and the reading of old records go the same way, so a
// runtime that is made anew is in the state of the one that wrote the records.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "rbl/runtime.h"
#include "rbl/runtime/copy.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(std::move(word));
  return all;
}

std::uint64_t number(const Note& note, std::string_view field) {
  const std::string& text = note.at(field);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw FormatError(fmt::format("{}: {} is no number: {}", note.event, field, text));
  }
  return value;
}

std::optional<Event> event_of(std::string_view name) {
  for (const Event event :
       {Event::kTrain, Event::kRestore, Event::kSign, Event::kAttach, Event::kEnable,
        Event::kDisable, Event::kDetach, Event::kQuarantine, Event::kRelease, Event::kDestroy}) {
    if (event_name(event) == name) return event;
  }
  return std::nullopt;
}

void put_out(Roster& roster, Unit& unit) {
  std::erase(roster.stack, unit.name);
  roster.gone.insert(roster.gone.end(), unit.moments.begin(), unit.moments.end());
  unit.moments.clear();
}

void put_in(Roster& roster, const Unit& unit, std::size_t place) {
  if (place > roster.stack.size()) {
    throw NameError(fmt::format("{}: the stack holds {}, there is no place {}", unit.name,
                                roster.stack.size(), place));
  }
  roster.stack.insert(roster.stack.begin() + static_cast<std::ptrdiff_t>(place), unit.name);
}

void replace(Roster& roster, Unit unit) {
  const auto found = roster.units.find(unit.name);
  found->second = std::make_shared<const Unit>(std::move(unit));
}

void swap_units(Roster& roster, const Note& note) {
  Unit out = roster.at(note.at("out"));
  Unit in = roster.at(note.at("unit"));
  out.state = require_next(out.name, out.state, Event::kDetach);
  in.state = require_next(in.name, in.state, Event::kAttach);
  const auto place =
      static_cast<std::size_t>(std::ranges::find(roster.stack, out.name) - roster.stack.begin());
  put_out(roster, out);
  put_in(roster, in, place);
  replace(roster, std::move(out));
  replace(roster, std::move(in));
}

void kill_all(Roster& roster) {
  const std::vector<std::string> stack = roster.stack;
  for (const std::string& name : stack) {
    Unit unit = roster.at(name);
    unit.state = require_next(name, unit.state, Event::kDetach);
    put_out(roster, unit);
    replace(roster, std::move(unit));
  }
  for (auto& [name, copy] : roster.copies) copy.stopped = true;
}

void take_values_of(Unit& unit, const Version& version) {
  unit.version = version.number;
  unit.parent = version.parent;
  unit.signature = version.signature;
}

// Values that differ from a kept version's are of a version to come.
void begin_version(Unit& unit) {
  unit.signature.reset();
  const Version* kept = unit.find(unit.version);
  if (kept == nullptr) return;
  unit.parent = kept->digest;
  unit.version = 1 + std::ranges::max(unit.versions, {}, &Version::number).number;
}

}  // namespace

void Runtime::add_unit(Roster& roster, const Note& note) const {
  Unit unit{.name = note.at("unit"), .behavior = nullptr};
  if (roster.units.contains(unit.name)) {
    throw NameError(fmt::format("runtime: there is a unit named {} already", unit.name));
  }
  const Store* phi = find_store(unit.name);
  if (phi == nullptr) throw FormatError(fmt::format("runtime: no store named {}", unit.name));
  unit.behavior = make_behavior(*phi, *identity_, config_from_json(note.at("config")));
  unit.identity = digest_from_hex(note.at("identity"), "create: identity");
  unit.version = number(note, "version");
  if (const std::string parent = note.find("parent"); !parent.empty()) {
    unit.parent = digest_from_hex(parent, "create: parent");
  }
  unit.file = note.find("file");
  if (const std::string key = note.find("key"); !key.empty()) {
    unit.signature = SignedBy{bytes_from_hex<32>(key, "create: key"),
                              bytes_from_hex<64>(note.at("signature"), "create: signature")};
  }
  roster.units.emplace(unit.name, std::make_shared<const Unit>(unit));
}

void Runtime::add_copy(Roster& roster, const Note& note) const {
  const std::string& name = note.at("copy");
  Copy copy{.theta = find_store(name), .units = words(note.at("units"))};
  if (copy.theta == nullptr) throw FormatError(fmt::format("runtime: no store named {}", name));
  copy.seam = reading(identity_->store(), *copy.theta);
  if (!roster.copies.emplace(name, std::move(copy)).second) {
    throw NameError(fmt::format("runtime: there is a copy named {} already", name));
  }
}

void Runtime::apply(Roster& roster, Unit& unit, Event event, const Note& note) const {
  unit.state = require_next(unit.name, unit.state, event);
  switch (event) {
    case Event::kTrain:
      begin_version(unit);
      unit.moments.clear();
      for (const std::string& name : words(note.find("moments"))) {
        const Store* store = find_store(name);
        if (store == nullptr) throw FormatError(fmt::format("runtime: no store named {}", name));
        unit.moments.push_back(store);
        std::erase(roster.gone, store);
      }
      return;
    case Event::kRestore:
      return take_values_of(unit, unit.at(number(note, "version")));
    case Event::kSign:
      unit.signature = SignedBy{bytes_from_hex<32>(note.at("key"), "sign: key"),
                                bytes_from_hex<64>(note.at("signature"), "sign: signature")};
      return;
    case Event::kAttach:
      return put_in(roster, unit, number(note, "place"));
    case Event::kDetach:
      return put_out(roster, unit);
    case Event::kQuarantine:
      unit.quarantine = Order{note.at("reason"), note.at("by")};
      return put_out(roster, unit);
    case Event::kRelease:
      return unit.quarantine.reset();
    case Event::kDestroy:
      unit.destruction = Order{note.at("reason"), note.at("by")};
      unit.values = digest_from_hex(note.at("values"), "destroy: values");
      put_out(roster, unit);
      roster.gone.push_back(&unit.phi());
      for (const Version& each : unit.versions) roster.gone.push_back(each.values);
      return;
    case Event::kEnable:
    case Event::kDisable:
      return;
  }
}

// Events that leave the state alone.
void Runtime::apply_other(Unit& unit, const Note& note) const {
  if (note.event == "keep") {
    Version version{.number = number(note, "version"),
                    .parent = unit.parent,
                    .digest = digest_from_hex(note.at("digest"), "keep: digest"),
                    .values = find_store(fmt::format("{}.v{}", unit.name, number(note, "version"))),
                    .signature = unit.signature};
    if (version.values == nullptr) {
      throw FormatError(
          fmt::format("runtime: no store of {} version {}", unit.name, version.number));
    }
    unit.versions.push_back(std::move(version));
  } else if (note.event == "pin") {
    unit.pinned = digest_from_hex(note.at("digest"), "pin: digest");
  } else if (note.event == "unpin") {
    unit.pinned.reset();
  } else if (note.event == "file") {
    unit.file = note.at("path");
  } else {
    throw FormatError(fmt::format("runtime: there is no event {}", note.event));
  }
}

Roster Runtime::advanced(Roster roster, const Note& note) const {
  if (note.event == "create") {
    add_unit(roster, note);
  } else if (note.event == "merge") {
    add_copy(roster, note);
  } else if (note.event == "discard") {
    const auto found = roster.copies.find(note.at("copy"));
    if (found == roster.copies.end()) throw FormatError("discard: no such copy");
    found->second.discarded = true;
    roster.gone.push_back(found->second.theta);
  } else if (note.event == "swap") {
    swap_units(roster, note);
  } else if (note.event == "kill") {
    kill_all(roster);
  } else {
    Unit unit = roster.at(note.at("unit"));
    if (const auto event = event_of(note.event)) {
      apply(roster, unit, *event, note);
    } else {
      apply_other(unit, note);
    }
    replace(roster, std::move(unit));
  }
  roster.active.clear();
  for (const std::string& name : roster.stack) {
    const Unit& unit = roster.at(name);
    if (unit.state == State::kEnabled) roster.active.push_back(unit.behavior);
  }
  return roster;
}

}  // namespace palinode::rbl
