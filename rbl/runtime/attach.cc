// Into the stack and out of it, with receipts.
#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "rbl/attach.h"
#include "rbl/runtime.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// The function of some units, built without the runtime.
Observation observe_alone(const nn::Network& identity, const Roster& roster, const Tensor& probes) {
  std::deque<Attached> functions;
  const nn::Model* top = &identity;
  for (const BehaviorPointer& behavior : roster.active) {
    top = &functions.emplace_back(attach(*top, behavior));
  }
  return observe(*top, identity, probes);
}

}  // namespace

void Runtime::check_signature(const Unit& unit) const {
  if (!unit.signature) {
    if (!options_.signed_only) return;
    throw LifeCycleError(
        fmt::format("{}: only signed units may be attached, it is not", unit.name));
  }
  // Of the bits as they are, whoever wrote them last.
  Statement statement = unit.statement();
  statement.values = fingerprint(unit.phi());
  if (!verify(to_text(statement), unit.signature->signature, unit.signature->key)) {
    throw LifeCycleError(fmt::format("{}: its signature is not one of what it is now, {}; key {}",
                                     unit.name, hex(digest(statement)), hex(unit.signature->key)));
  }
  if (!options_.signed_only) return;
  const auto& trusted = options_.trusted;
  if (std::ranges::find(trusted, unit.signature->key) == trusted.end()) {
    throw LifeCycleError(fmt::format("{}: signed with the key {}, which is not trusted", unit.name,
                                     hex(unit.signature->key)));
  }
}

void Runtime::check_attachable(const Unit& unit, Event event, bool force) const {
  if (unit.identity != fingerprint_ && !force) {
    throw IdentityError(fmt::format("{}: made for the identity {}, this one is {}", unit.name,
                                    hex(unit.identity), hex(fingerprint_)));
  }
  if (unit.pinned && digest(unit.statement()) != *unit.pinned) {
    throw LifeCycleError(fmt::format("{}: pinned to {}, but it is {}", unit.name, hex(*unit.pinned),
                                     hex(digest(unit.statement()))));
  }
  check_signature(unit);
  if (options_.permit) options_.permit(event, unit);
}

void Runtime::attach(std::string_view unit, const AttachOptions& options) {
  const Roster now = fresh(unit);
  const Unit& its = now.at(unit);
  const std::size_t place =
      options.place == AttachOptions{}.place ? now.stack.size() : options.place;
  Fields fields = {{"place", std::to_string(place)}};
  if (its.identity != fingerprint_) fields.emplace_back("forced", "true");
  const Note note = note_of("attach", its, std::move(fields));
  Roster next = advanced(now, note);
  check_attachable(its, Event::kAttach, options.force);
  publish(std::move(next), note);
}

void Runtime::enable(std::string_view unit) {
  const Roster now = fresh(unit);
  const Note note = note_of("enable", now.at(unit), {});
  Roster next = advanced(now, note);
  check_attachable(now.at(unit), Event::kEnable, true);
  publish(std::move(next), note);
}

void Runtime::disable(std::string_view unit) { step(unit, "disable"); }

Receipt Runtime::take_out(Roster next, const Note& note, std::vector<std::string> units) {
  Receipt receipt{.action = note.event, .units = std::move(units)};
  std::optional<Observation> before, during;
  const bool measured = !options_.probes.empty();
  // A behavior that cannot be run any more must not stay for that.
  try {
    if (measured) during = observe(*function_, *identity_, options_.probes);
    if (measured) {
      before = next.active.empty() ? plain_ : observe_alone(*identity_, next, options_.probes);
    }
  } catch (const Error& error) {
    receipt.unmeasured = error.what();
  }
  publish(std::move(next), note);
  receipt.record = ledger_->sequence() - 1;
  receipt.chain = ledger_->head();
  receipt.active = active();
  receipt.optimizers = sweep();
  for (const Dropped& each : receipt.optimizers) {
    if (each.held == 0) receipt.bytes_freed += each.bytes;
  }
  if (measured && receipt.unmeasured.empty()) {
    receipt.certificate =
        certify(*before, *during, observe(*function_, *identity_, options_.probes));
  }
  return receipt;
}

Receipt Runtime::detach(std::string_view unit) {
  const Roster now = fresh(unit);
  const Note note = note_of("detach", now.at(unit), {});
  return take_out(advanced(now, note), note, {std::string(unit)});
}

Receipt Runtime::swap(std::string_view out, std::string_view in) {
  const Roster now = fresh(in);
  const Unit& its = now.at(in);
  now.at(out);
  Fields fields = {{"out", std::string(out)}};
  const Note note = note_of("swap", its, std::move(fields));
  Roster next = advanced(now, note);
  check_attachable(its, Event::kAttach, false);
  return take_out(std::move(next), note, {std::string(out)});
}

Receipt Runtime::quarantine(std::string_view unit, const std::string& reason,
                            const std::string& by) {
  const Roster now = fresh(unit);
  const Note note = note_of("quarantine", now.at(unit), {{"reason", reason}, {"by", by}});
  std::vector<std::string> out;
  if (attached(now.at(unit).state)) out.emplace_back(unit);
  Receipt receipt = take_out(advanced(now, note), note, std::move(out));
  receipt.copies = now.copies_of(unit);
  return receipt;
}

void Runtime::release(std::string_view unit, const std::string& by) {
  step(unit, "release", {{"by", by}});
}

Receipt Runtime::kill(const std::string& reason, const std::string& by) {
  const Roster now = *roster_.load();
  const Note note{.event = "kill", .fields = {{"reason", reason}, {"by", by}}};
  Receipt receipt = take_out(advanced(now, note), note, now.stack);
  for (const auto& [name, copy] : now.copies) {
    if (!copy.discarded) receipt.copies.push_back(name);
  }
  return receipt;
}

}  // namespace palinode::rbl
