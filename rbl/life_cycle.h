// The life of a behavior as a state machine: what may happen to it in which state.
//
// transitions() is the whole table; whatever is not in it is refused with LifeCycleError. An
// attached behavior is enabled or disabled: a disabled one keeps its place in the stack and does
// nothing.
//
//   from         train    sign    attach   enable   disable   detach    quarantine   release
//   destroy created      trained  signed  enabled                               quarantined
//   destroyed trained      trained  signed  enabled                               quarantined
//   destroyed signed       trained  signed  enabled                               quarantined
//   destroyed enabled      enabled                            disabled  detached  quarantined
//   disabled                               enabled            detached  quarantined
//   detached     trained  signed  enabled                               quarantined destroyed
//   quarantined                                                                      released
//   destroyed released     trained  signed  enabled                               quarantined
//   destroyed destroyed
//
// A quarantine takes an attached behavior out of the stack first. `restore` puts back the values of
// an earlier version; it may happen where `train` may, but for an attached behavior, and ends in
// `trained`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>

#include "tensor/error.h"

namespace palinode::rbl {

// Something that is not in a state for what was asked of it.
class LifeCycleError : public Error {
 public:
  using Error::Error;
};

enum class State : std::uint8_t {
  kCreated,
  kTrained,
  kSigned,
  kEnabled,
  kDisabled,
  kDetached,
  kQuarantined,
  kReleased,
  kDestroyed,
};

enum class Event : std::uint8_t {
  kTrain,
  kRestore,
  kSign,
  kAttach,
  kEnable,
  kDisable,
  kDetach,
  kQuarantine,
  kRelease,
  kDestroy,
};

struct Transition {
  State from;
  Event event;
  State to;
};

std::span<const Transition> transitions();
// None if that may not happen.
std::optional<State> next(State from, Event event);
// Throws LifeCycleError that names the unit, the event and the state if that may not happen.
State require_next(std::string_view unit, State from, Event event);

std::string_view state_name(State state);  // "created", ...
std::string_view event_name(Event event);  // "train", ...
std::optional<State> state_named(std::string_view name);
std::ostream& operator<<(std::ostream& out, State state);
std::ostream& operator<<(std::ostream& out, Event event);

inline bool attached(State state) { return state == State::kEnabled || state == State::kDisabled; }

}  // namespace palinode::rbl
