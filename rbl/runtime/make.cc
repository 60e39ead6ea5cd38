// Making units: created or adopted, trained, signed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "rbl/attach.h"
#include "rbl/runtime.h"
#include "tensor/error.h"

namespace palinode::rbl {

void Runtime::make(const std::string& name, const BehaviorConfig& config, const Origin& origin,
                   const std::function<Proposal(const Behavior&)>& values) {
  const auto now = roster_.load();
  if (now->units.contains(name)) {
    throw NameError(fmt::format("runtime: there is a unit named {} already", name));
  }
  const Store& phi = store_for(name, Role::kBehavior);
  const BehaviorPointer behavior = make_behavior(phi, *identity_, config);
  Fields fields = {{"unit", name},
                   {"config", to_json(behavior->config())},
                   {"identity", hex(origin.identity)},
                   {"version", std::to_string(origin.version)}};
  if (origin.parent) fields.emplace_back("parent", hex(*origin.parent));
  if (!origin.file.empty()) fields.emplace_back("file", origin.file);
  if (origin.signature) {
    fields.emplace_back("key", hex(origin.signature->key));
    fields.emplace_back("signature", hex(origin.signature->signature));
  }
  const Note note{.event = "create", .fields = std::move(fields)};
  Roster next = advanced(*now, note);
  ledger_->commit(values(*behavior));
  try {
    publish(std::move(next), note);
  } catch (...) {
    ledger_->wipe(phi);
    throw;
  }
}

void Runtime::create(const std::string& unit, const BehaviorConfig& config, const Rng& rng) {
  make(unit, config, {.identity = fingerprint_},
       [&](const Behavior& behavior) { return behavior.init(rng); });
}

void Runtime::adopt(const std::string& unit, const BehaviorConfig& config,
                    const std::map<std::string, Tensor>& values, const Origin& origin) {
  make(unit, config, origin, [&](const Behavior& behavior) {
    Proposal proposal{.reason = Reason::kLoad, .proposer = "adopt"};
    for (const nn::Parameter& each : behavior.parameters()) {
      const auto found = values.find(each.name);
      if (found == values.end()) {
        throw NameError(fmt::format("{}: there is no value for {}", unit, each.name));
      }
      const std::string text = fmt::format(
          "{}: {} is {}, a {} needs {} [{}]", unit, each.name, found->second.describe(),
          behavior.kind(), dtype_name(behavior.dtype()), fmt::join(each.shape.extents(), ", "));
      if (found->second.dtype() != behavior.dtype()) throw DtypeError(text);
      if (found->second.shape() != each.shape) throw ShapeError(text);
      proposal.writes.push_back({&behavior.phi(), each.name, found->second, true});
    }
    if (values.size() != behavior.parameters().size()) {
      throw NameError(fmt::format("{}: {} values, a {} of these sites has {}", unit, values.size(),
                                  behavior.kind(), behavior.parameters().size()));
    }
    return proposal;
  });
}

// Which optimizer's stores a step uses; nothing but phi and those may be written.
std::vector<std::string> Runtime::moments_of(const Unit& unit, const Proposal& proposal) const {
  const auto roster = roster_.load();
  std::set<std::string> names;
  const auto refuse = [&](const Store* store) {
    throw NameError(fmt::format("train {}: a step writes {} and its optimizer's state, not {}",
                                unit.name, unit.phi().name(),
                                store == nullptr ? "nothing" : store->name()));
  };
  const auto claim = [&](const Store* store) {
    if (store == nullptr || store->role() != Role::kOptimizer) refuse(store);
    for (const auto& [name, other] : roster->units) {
      if (name == unit.name) continue;
      if (std::ranges::find(other->moments, store) == other->moments.end()) continue;
      throw LifeCycleError(
          fmt::format("train {}: the moments in {} are of {}", unit.name, store->name(), name));
    }
    names.insert(store->name());
  };
  for (const Write& write : proposal.writes) {
    if (write.store != &unit.phi()) claim(write.store);
  }
  for (const Step& step : proposal.steps) {
    if (step.store != &unit.phi()) refuse(step.store);
    if (!step.moments.empty()) claim(step.state);
  }
  for (const Store* store : unit.moments) names.insert(store->name());
  return {names.begin(), names.end()};
}

void Runtime::train(std::string_view name, const TrainStep& step) {
  Roster now = fresh(name);
  const Unit& unit = now.at(name);
  const State to = require_next(name, unit.state, Event::kTrain);
  if (unit.pinned) throw LifeCycleError(fmt::format("{}: no train, it is pinned", name));
  if (attached(unit.state) && options_.signed_only) {
    throw LifeCycleError(
        fmt::format("{}: no train while it is attached: only signed units may be", name));
  }
  Proposal proposal;
  if (attached(unit.state)) {
    proposal = step(*function_, unit.phi());
  } else {
    const Attached alone = rbl::attach(*identity_, unit.behavior);
    proposal = step(alone, unit.phi());
  }
  const std::vector<std::string> moments = moments_of(unit, proposal);
  const Note note =
      note_of("train", unit, {{"moments", fmt::format("{}", fmt::join(moments, " "))}});
  Roster next = advanced(now, note);
  ledger_->commit(proposal);
  const bool same = to == unit.state && !unit.signature && unit.find(unit.version) == nullptr &&
                    moments.size() == unit.moments.size();
  if (!same) publish(std::move(next), note);
}

void Runtime::sign(std::string_view name, const KeyPair& keys) {
  const Roster now = fresh(name);
  const Unit& unit = now.at(name);
  const Signature signature = keys.sign(to_text(unit.statement()));
  step(name, "sign", {{"key", hex(keys.public_key())}, {"signature", hex(signature)}});
}

}  // namespace palinode::rbl
