// Merging behaviors into a copy of theta.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "rbl/runtime.h"
#include "rbl/runtime/copy.h"
#include "tensor/error.h"

namespace palinode::rbl {

void Runtime::merge(const std::string& copy, const std::vector<std::string>& units) {
  const auto now = roster_.load();
  if (units.empty()) throw NameError("merge: there are no units");
  std::set<std::string_view> seen;
  for (const std::string& name : units) {
    const Unit& unit = now->at(name);
    if (!seen.insert(name).second) throw NameError(fmt::format("merge: {} is named twice", name));
    if (unit.state == State::kDestroyed || unit.state == State::kQuarantined) {
      throw LifeCycleError(fmt::format("{}: no merge from {}", name, state_name(unit.state)));
    }
    if (!mergeable(unit.behavior->kind())) {
      throw LifeCycleError(
          fmt::format("{}: no merge, a {} is no sum with weights", name, unit.behavior->kind()));
    }
    check_attachable(fresh(name).at(name), Event::kAttach, false);
  }
  const Store& theta = identity_->store();
  const Store& merged = store_for(copy, Role::kIdentity);
  const Note note{.event = "merge",
                  .fields = {{"copy", copy}, {"units", fmt::format("{}", fmt::join(units, " "))}}};
  Roster next = advanced(*now, note);
  Proposal proposal{.reason = Reason::kMerge, .proposer = copy};
  for (const Entry& entry : theta.entries()) {
    Tensor value = entry.value;
    for (const std::string& name : units) {
      value = with_behavior(*now->at(name).behavior, entry.name, value);
    }
    proposal.writes.push_back({&merged, entry.name, value, true});
  }
  ledger_->commit(proposal);
  try {
    publish(std::move(next), note);
  } catch (...) {
    ledger_->wipe(merged);
    throw;
  }
}

void Runtime::discard(std::string_view copy) {
  const auto now = roster_.load();
  const auto found = now->copies.find(copy);
  if (found == now->copies.end() || found->second.discarded) {
    throw LifeCycleError(fmt::format("merged copy {}: no discard, there is none", copy));
  }
  const Note note{.event = "discard", .fields = {{"copy", std::string(copy)}}};
  publish(advanced(*now, note), note);
  sweep();
}

}  // namespace palinode::rbl
