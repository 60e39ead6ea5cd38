#include "rbl/life_cycle.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

using enum State;

constexpr std::array<std::string_view, 9> kStates = {"created",     "trained",  "signed",
                                                     "enabled",     "disabled", "detached",
                                                     "quarantined", "released", "destroyed"};
constexpr std::array<std::string_view, 10> kEvents = {"train",   "restore", "sign",   "attach",
                                                      "enable",  "disable", "detach", "quarantine",
                                                      "release", "destroy"};

// In rest: not attached, not under quarantine, and not gone.
constexpr std::array kAtRest = {kCreated, kTrained, kSigned, kDetached, kReleased};

std::vector<Transition> make_transitions() {
  std::vector<Transition> all;
  for (const State from : kAtRest) {
    all.push_back({from, Event::kTrain, kTrained});
    all.push_back({from, Event::kRestore, kTrained});
    all.push_back({from, Event::kSign, kSigned});
    all.push_back({from, Event::kAttach, kEnabled});
    all.push_back({from, Event::kQuarantine, kQuarantined});
    all.push_back({from, Event::kDestroy, kDestroyed});
  }
  for (const State from : {kEnabled, kDisabled}) {
    all.push_back({from, Event::kDetach, kDetached});
    all.push_back({from, Event::kQuarantine, kQuarantined});
  }
  all.push_back({kEnabled, Event::kTrain, kEnabled});
  all.push_back({kEnabled, Event::kDisable, kDisabled});
  all.push_back({kDisabled, Event::kEnable, kEnabled});
  all.push_back({kQuarantined, Event::kRelease, kReleased});
  all.push_back({kQuarantined, Event::kDestroy, kDestroyed});
  return all;
}

}  // namespace

std::span<const Transition> transitions() {
  static const std::vector<Transition> table = make_transitions();
  return table;
}

std::optional<State> next(State from, Event event) {
  for (const Transition& each : transitions()) {
    if (each.from == from && each.event == event) return each.to;
  }
  return std::nullopt;
}

State require_next(std::string_view unit, State from, Event event) {
  if (const auto to = next(from, event)) return *to;
  std::vector<std::string_view> possible;
  for (const Transition& each : transitions()) {
    if (each.from == from) possible.push_back(event_name(each.event));
  }
  throw LifeCycleError(
      fmt::format("{}: no {} from {}; from there: {}", unit, event_name(event), state_name(from),
                  possible.empty() ? "nothing" : fmt::format("{}", fmt::join(possible, ", "))));
}

std::string_view state_name(State state) { return kStates[static_cast<std::size_t>(state)]; }
std::string_view event_name(Event event) { return kEvents[static_cast<std::size_t>(event)]; }

std::optional<State> state_named(std::string_view name) {
  const auto found = std::ranges::find(kStates, name);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<State>(found - kStates.begin());
}

std::ostream& operator<<(std::ostream& out, State state) { return out << state_name(state); }
std::ostream& operator<<(std::ostream& out, Event event) { return out << event_name(event); }

}  // namespace palinode::rbl
