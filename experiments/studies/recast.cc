#include "experiments/studies/recast.h"

#include <limits>
#include <utility>

#include "rbl/diagnostics/scratch.h"

namespace palinode::experiments {
namespace {

Tensor in_type(const Tensor& x, Dtype dtype) {
  return x.dtype() == Dtype::kI32 ? x : x.compact().to(dtype);
}

Labelled in_type(const Labelled& examples, Dtype dtype) {
  return {in_type(examples.x, dtype), examples.y};
}

Task in_type(const Task& task, Dtype dtype) {
  return {
      .name = task.name,
      .batches = [batches = task.batches, dtype](const Rng& stream, std::size_t size) -> BatchAt {
        return
            [at = batches(stream, size), dtype](std::uint64_t t) { return in_type(at(t), dtype); };
      },
      .train = in_type(task.train, dtype),
      .held_out = in_type(task.held_out, dtype)};
}

Proposal load(const Store& store, const std::vector<Entry>& values) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = "fork"};
  for (const Entry& entry : values) {
    proposal.writes.push_back({&store, PoolString(entry.name), entry.value, true});
  }
  return proposal;
}

}  // namespace

std::unique_ptr<Identity> recast(const Identity& identity,
                                 const std::function<Tensor(const Tensor&)>& weights) {
  std::vector<Entry> values = rbl::named_values(*identity.theta);
  for (Entry& entry : values) entry.value = weights(entry.value);
  const Dtype dtype = values.front().value.dtype();
  auto other = std::make_unique<Identity>();
  other->rng = identity.rng;
  other->level = identity.level;
  other->model = identity.model;
  other->data = identity.data;
  other->classes = identity.classes;
  other->ledger = std::make_unique<Ledger>(identity.level);
  other->theta = &other->ledger->open("theta", Role::kIdentity);
  other->ledger->commit(load(*other->theta, values));
  other->build = identity.build;
  other->network = identity.build(*other->theta);
  other->original = in_type(identity.original, dtype);
  for (const Task& task : identity.tasks) other->tasks.push_back(in_type(task, dtype));
  other->recipes = identity.recipes;
  other->target = identity.target;
  other->check_every = identity.check_every;
  other->most_steps = identity.most_steps;
  other->back_steps = identity.back_steps;
  other->back_lr = identity.back_lr;
  other->back_batch = identity.back_batch;
  other->probes = in_type(identity.probes, dtype);
  for (const ProbeSet& set : identity.probe_sets) {
    other->probe_sets.push_back({set.name, in_type(set.probes, dtype)});
  }
  finish(*other);
  return other;
}

Fork::Fork(const Identity& identity) : Fork(identity, rbl::named_values(*identity.theta)) {}

Fork::Fork(const Identity& identity, const std::vector<Entry>& values)
    : ledger_(identity.level),
      theta_(&add("theta", Role::kIdentity, values)),
      model_(identity.build(*theta_)) {}

const Store& Fork::add(std::string name, Role role, const std::vector<Entry>& values) {
  const Store& store = ledger_.open(std::move(name), role);
  ledger_.commit(load(store, values));
  return store;
}

std::vector<Entry> Fork::values() const { return rbl::named_values(*theta_); }

void Fork::put(const std::vector<Entry>& values, Reason reason) {
  Proposal proposal{.reason = reason, .proposer = "fork"};
  for (const Entry& entry : values) {
    proposal.writes.push_back({theta_, PoolString(entry.name), entry.value});
  }
  ledger_.commit(proposal);
}

double value_of(const rbl::Recoverability& rf) {
  return rf.state == rbl::Recoverability::State::kValue ? rf.value
                                                        : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace palinode::experiments
