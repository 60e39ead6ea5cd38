// E1: exact unload. A behavior is attached to the frozen identity, trained, and detached; then a
// second one over the same identity. Every kind of behavior is tried on every model that it fits.
//
// Paper: table "recoverability by mechanism", row behavioral (RF 1, KL and JS below 1e-6). Here the
// bar is equal bits.
#include <fmt/format.h>

#include <algorithm>

#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "rbl/mutate.h"

namespace palinode::experiments {
namespace {

Change adapt_with_adam(const Identity& identity, std::string_view stream) {
  return learn(identity, identity.shifted(), Mechanism::kAdam, identity.rng.stream(stream));
}

rbl::Certificate certificate(const Identity& identity) {
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, *identity.network, lora_config());
  ledger.commit(lora->init(identity.rng.stream("certificate")));
  const rbl::Observation before = rbl::observe(*identity.network, *identity.theta, identity.probes);
  rbl::Attached function = rbl::attach(*identity.network, lora);
  adapt_with_adam(identity, "certificate")(ledger, phi, function, {});
  const rbl::Observation during = rbl::observe(function, *identity.theta, identity.probes);
  rbl::detach(std::move(function));
  return rbl::certify(before, during,
                      rbl::observe(*identity.network, *identity.theta, identity.probes));
}

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp", "digits-bn-mlp", "lande", "bytes-gpt"},
    {"digits-mlp", "digits-bn-mlp", "lande", "bytes-gpt", "fashion-cnn", "tied-gpt", "austen-gpt"},
    {{"kind_steps", "steps of Adam for each kind of behavior", 60.0, 100.0},
     {"kind_steps_large", "the same on medium and large models", 10.0, 20.0}});

// Whether the kind has a site in this model and room for what it adds: a soft prompt takes places
// of the context, which the sequences of the larger language models fill.
bool fits(const rbl::BehaviorKind& kind, const Identity& identity) {
  if (kind.sites(*identity.network).empty()) return false;
  if (kind.name != "soft-prompt") return true;
  const auto length = std::ranges::find(kind.settings, "length", &rbl::Setting::name);
  return length->usual <= static_cast<double>(identity.room);
}

// Every kind that fits this model, for a number of steps.
void every_kind(const Cell& cell, Outcome& outcome) {
  const Identity& identity = cell.identity();
  const std::uint64_t steps = cell.settings().count(
      scale_of(cell.model()) != Scale::kSmall ? "kind_steps_large" : "kind_steps");
  for (const rbl::BehaviorKind& kind : rbl::behavior_kinds()) {
    if (!fits(kind, identity)) continue;
    const Rng stream = identity.rng.stream(fmt::format("e1/{}", kind.name));
    const Change change = [&](Ledger& ledger, const Store& target, const nn::Model& function,
                              const Hooks& hooks) {
      const double lr = rate_of(identity, Mechanism::kAdam, target);
      const Goal goal = {.score = std::nullopt, .most_steps = steps};
      return adapt(ledger, target, function, identity, identity.shifted(),
                   course_of(identity, identity.shifted(), Mechanism::kAdam, lr, stream), goal,
                   hooks);
    };
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::unload());
    for (Row& row : trial_on_phi(identity, {"E1", "adam"}, change, rollbacks, stream,
                                 {.kind = std::string(kind.name)})) {
      row.variant = kind.name;
      outcome.rows.push_back(std::move(row));
    }
  }
}

// Two behaviors one over the other, unloaded last first, and one in the place of the other.
void nested_and_swapped(const Identity& identity, Outcome& outcome) {
  Ledger ledger(identity.level);
  std::vector<rbl::BehaviorPointer> units;
  for (const char* name : {"e1/inner", "e1/outer"}) {
    const Store& phi = ledger.open(name, Role::kBehavior);
    units.push_back(rbl::make_behavior(phi, *identity.network, lora_config()));
    const Rng stream = identity.rng.stream(name);
    ledger.commit(units.back()->init(stream));
    // What B starts from is 0; noise makes a behavior of it that does something.
    ledger.commit(rbl::noise(phi, 0.05, stream.stream("noise")));
  }
  const auto add = [&](const char* variant, const Stage& during) {
    Row row = make_row(identity, {"E1", "noise"}, "phi", "R17", during,
                       look(identity, *identity.theta, *identity.network));
    row.variant = variant;
    row.phi_digest = hex(fingerprint(units.back()->phi()));
    row.bytes_behavior = units.front()->phi().bytes() + units.back()->phi().bytes();
    outcome.rows.push_back(std::move(row));
  };
  {
    rbl::Attached inner = rbl::attach(*identity.network, units[0]);
    rbl::Attached outer = rbl::attach(inner, units[1]);
    const Stage both = look(identity, *identity.theta, outer);
    rbl::detach(std::move(outer));
    rbl::detach(std::move(inner));
    add("nested", both);
  }
  rbl::detach(rbl::attach(*identity.network, units[0]));
  rbl::Attached second = rbl::attach(*identity.network, units[1]);
  const Stage swapped = look(identity, *identity.theta, second);
  rbl::detach(std::move(second));
  add("swapped", swapped);
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  Outcome outcome;
  for (const char* name : {"adam", "adam-second"}) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::unload());
    outcome.add(trial_on_phi(identity, {"E1", name}, adapt_with_adam(identity, name), rollbacks,
                             identity.rng.stream(name)));
  }
  every_kind(cell, outcome);
  nested_and_swapped(identity, outcome);
  outcome.certificate = certificate(identity);
  return outcome;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally unloads("after an unload every bit is that of before", "runs");
  add_exact(unloads, groups_like(evidence.groups, "E1", "", "", "R17"));
  return {unloads.judgement()};
}

}  // namespace

extern const Study kUnload = {"E1",
                              "unload",
                              "RF by mechanism, row behavioral",
                              "is the identity back, to the last bit, when a behavior is gone",
                              "holds if on every seed the fingerprint and every output bit are "
                              "those of before, and KL = JS = 0 exactly",
                              kKnobs,
                              run,
                              judge};

}  // namespace palinode::experiments
