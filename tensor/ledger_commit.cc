// Ledger::commit: find and check every place, make every value, record, and only then put in place.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "tensor/error.h"
#include "tensor/finite.h"
#include "tensor/ledger.h"
#include "tensor/ledger_records.h"
#include "tensor/ledger_staged.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"
#include "tensor/write_pass.h"

namespace palinode {
namespace {

// Elements of a proposal that are worth waking threads for.
constexpr std::size_t kParallelElements = std::size_t{1} << 15;

std::string author(const Proposal& proposal) {
  return fmt::format("proposed by {}, step {}", proposal.proposer.view(), proposal.step);
}

// Why values are not finite: the first gradient that was not, otherwise the first value itself.
[[noreturn]] void throw_not_finite(const Proposal& proposal, const Store& store,
                                   std::string_view name) {
  for (const Step& step : proposal.steps) {
    const std::optional<std::size_t> bad = first_not_finite(step.gradient);
    if (!bad) continue;
    throw NonFiniteError(
        fmt::format("commit: the gradient of {}/{} {} is not finite, first at element {}; {}",
                    step.store->name(), step.store->entries()[step.entry].name,
                    step.gradient.describe(), *bad, author(proposal)));
  }
  throw NonFiniteError(fmt::format("commit: {}/{} would hold a NaN or an infinity; {}",
                                   store.name(), name, author(proposal)));
}

}  // namespace

// A place that exists, for a value like `like`; `what` that is, for the message.
Ledger::Target Ledger::existing(const Proposal& proposal, Store& store, std::size_t place,
                                const Tensor& like, std::string_view what, const Counts& counts) {
  const Entry& entry = store.entries_[place];
  const auto where = [&] { return fmt::format("commit: {}/{}", store.name(), entry.name); };
  if (store.frozen()) {
    throw FrozenError(fmt::format("{} {} is frozen since write {}; {}", where(), like.describe(),
                                  store.frozen_since(), author(proposal)));
  }
  if (place >= counts.left(store)) {
    throw NameError(fmt::format("{} is removed and written; {}", where(), author(proposal)));
  }
  if (entry.value.dtype() != like.dtype() || entry.value.shape() != like.shape()) {
    const std::string text =
        fmt::format("{} is {}, the {} is {}; {}", where(), entry.value.describe(), what,
                    like.describe(), author(proposal));
    if (entry.value.dtype() != like.dtype()) throw DtypeError(text);
    throw ShapeError(text);
  }
  return {&store, place, entry.name, &entry.value};
}

// A place that does not exist yet, or will not any more when it is made.
Ledger::Target Ledger::fresh(const Proposal& proposal, Store& store, std::string_view name,
                             const Tensor& like, Counts& counts) {
  if (store.frozen()) {
    throw FrozenError(fmt::format("commit: {}/{} {} is frozen since write {}; {}", store.name(),
                                  name, like.describe(), store.frozen_since(), author(proposal)));
  }
  check_name("commit", name);
  const auto there = store.places_.find(name);
  if (there != store.places_.end() && there->second < counts.left(store)) {
    throw NameError(
        fmt::format("commit: {}/{} exists already; {}", store.name(), name, author(proposal)));
  }
  return {&store, counts.left(store) + counts.created[&store]++, name, nullptr};
}

// A place that goes.
Ledger::Target Ledger::gone(const Proposal& proposal, Store& store, std::string_view name,
                            Counts& counts) {
  const std::size_t place = store.index(name);
  const Entry& entry = store.entries_[place];
  if (store.frozen()) {
    throw FrozenError(fmt::format("commit: {}/{} {} is frozen since write {}; {}", store.name(),
                                  name, entry.value.describe(), store.frozen_since(),
                                  author(proposal)));
  }
  if (place + 1 != counts.left(store)) {
    throw NameError(
        fmt::format("commit: {}/{} cannot be removed: the newest entry goes first, which is {}; {}",
                    store.name(), name,
                    counts.left(store) == 0 ? "none" : store.entries_[counts.left(store) - 1].name,
                    author(proposal)));
  }
  ++counts.removed[&store];
  return {&store, place, entry.name, &entry.value, true};
}

// The places of a step: its parameter, then its moments.
void Ledger::add_step(const Proposal& proposal, const Step& step, Counts& counts,
                      PoolVector<Target>& found) {
  Store& store = mine(step.store);
  if (step.entry >= store.entries_.size()) {
    throw NameError(fmt::format("commit: a step for entry {} of {}, which has {}; {}", step.entry,
                                store.name(), store.entries_.size(), author(proposal)));
  }
  found.push_back(existing(proposal, store, step.entry, step.gradient, "gradient", counts));
  const Entry& parameter = store.entries_[step.entry];
  if (step.read != 0 && step.read != parameter.written) {
    throw StaleReadError(
        fmt::format("commit: {}/{} was read as of write {} and has been written since (write {}): "
                    "its gradient is of another value; {}",
                    store.name(), parameter.name, step.read, parameter.written, author(proposal)));
  }
  const std::size_t wanted = moments_of(step.rule);
  if (step.moments.size() != wanted) {
    throw NameError(fmt::format("commit: a step for {}/{} names {} moments, its rule has {}; {}",
                                store.name(), parameter.name, step.moments.size(), wanted,
                                author(proposal)));
  }
  if (wanted == 0) return;
  Store& state = mine(step.state);
  for (const PoolString& moment : step.moments) {
    const auto place = state.places_.find(moment.view());
    found.push_back(
        place == state.places_.end()
            ? fresh(proposal, state, moment.view(), step.gradient, counts)
            : existing(proposal, state, place->second, step.gradient, "parameter", counts));
  }
}

// Every place of the proposal, each checked; nothing is written.
PoolVector<Ledger::Target> Ledger::targets(const Proposal& proposal) {
  check_name("commit: proposer", proposal.proposer.view());
  PoolVector<Target> found;
  found.reserve(proposal.removals.size() + proposal.writes.size() +
                (1 + kMaxMoments) * proposal.steps.size());
  Counts counts;
  for (const Removal& removal : proposal.removals) {
    found.push_back(gone(proposal, mine(removal.store), removal.name.view(), counts));
  }
  for (const Write& write : proposal.writes) {
    Store& store = mine(write.store);
    if (write.create) {
      found.push_back(fresh(proposal, store, write.name.view(), write.value, counts));
    } else {
      const std::size_t place = store.index(write.name.view());
      found.push_back(existing(proposal, store, place, write.value, "new value", counts));
    }
  }
  for (const Step& step : proposal.steps) add_step(proposal, step, counts, found);
  // A place tells an entry that exists, at less cost than its name.
  constexpr std::size_t kNew = static_cast<std::size_t>(-1);
  PoolVector<std::tuple<const Store*, std::size_t, std::string_view>> places;
  places.reserve(found.size());
  for (const Target& target : found) {
    if (target.removed) continue;
    places.emplace_back(target.store, target.old == nullptr ? kNew : target.place, target.name);
  }
  std::ranges::sort(places);
  const auto twice = std::ranges::adjacent_find(places);
  if (twice != places.end()) {
    throw NameError(fmt::format("commit: {}/{} is written twice; {}", std::get<0>(*twice)->name(),
                                std::get<2>(*twice), author(proposal)));
  }
  return found;
}

// Makes the values, one pass over each; threads share out the parameters of a large proposal.
PoolVector<Written> Ledger::make_values(const Proposal& proposal,
                                        std::span<const Target> targets) const {
  const bool recorded = level_ != Level::kOff;
  const WritePass pass{
      .change = recorded, .digest = level_ >= Level::kDigest, .finite = proposal.finite_only};
  const std::size_t removals = proposal.removals.size(), writes = proposal.writes.size();
  PoolVector<std::size_t> first;  // target of each write and step
  std::size_t elements = 0;
  std::size_t next = removals;
  for (const Write& write : proposal.writes) {
    first.push_back(next++);
    elements += write.value.elements();
  }
  for (const Step& step : proposal.steps) {
    first.push_back(next);
    next += 1 + step.moments.size();
    elements += step.gradient.elements();
  }
  PoolVector<Written> made(targets.size());
  for (std::size_t i = 0; i < removals; ++i) {  // what is gone is recorded as zeros
    const Tensor& old = *targets[i].old;
    made[i] = copy_value(&old, Tensor::zeros(old.shape(), old.dtype()), {.change = recorded});
  }
  const auto make = [&](std::size_t i) {
    const std::span<const Target> at = targets.subspan(first[i]);
    if (i < writes) {
      made[first[i]] = copy_value(at[0].old, proposal.writes[i].value, pass);
      return;
    }
    const Step& step = proposal.steps[i - writes];
    InlineVector<Tensor, kMaxMoments> moments;
    for (std::size_t k = 1; k <= step.moments.size(); ++k) {
      moments.push_back(at[k].old != nullptr
                            ? *at[k].old
                            : Tensor::zeros(step.gradient.shape(), step.gradient.dtype()));
    }
    std::ranges::move(take_step(step, *at[0].old, {moments.begin(), moments.size()}, pass),
                      made.begin() + static_cast<std::ptrdiff_t>(first[i]));
  };
  if (elements < kParallelElements) {
    for (std::size_t i = 0; i < first.size(); ++i) make(i);
    return made;
  }
  // Threads share out the parts of a large step, and then the rest, one each.
  PoolVector<std::size_t> rest;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool large =
        i >= writes && proposal.steps[i - writes].gradient.elements() >= kParallelElements;
    if (large) {
      make(i);
    } else {
      rest.push_back(i);
    }
  }
  parallel_jobs(rest.size(), [&](std::size_t i) { make(rest[i]); });
  return made;
}

PoolVector<Ledger::Staged> Ledger::stage(const Proposal& proposal) {
  const PoolVector<Target> places = targets(proposal);
  PoolVector<Written> values = make_values(proposal, places);
  PoolVector<Staged> staged;
  staged.reserve(places.size());
  std::map<Store*, std::size_t> sizes;
  std::uint64_t seq = sequence_;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Target& target = places[i];
    if (proposal.finite_only && !values[i].finite && !target.removed) {
      throw_not_finite(proposal, *target.store, target.name);
    }
    staged.push_back({target, std::move(values[i]), seq, {}, {}});
    ++seq;
    if (target.old != nullptr) continue;
    staged.back().entry_name = target.name;
    std::map<std::string, std::size_t, std::less<>> one{{std::string(target.name), target.place}};
    staged.back().place = one.extract(one.begin());
    sizes[target.store] = std::max(sizes[target.store], target.place + 1);
  }
  // Twice as much as before, so that a store filled one by one is not copied each time.
  for (const auto& [store, size] : sizes) {
    std::vector<Entry>& entries = store->entries_;
    if (size > entries.capacity()) entries.reserve(std::max(size, 2 * entries.capacity()));
  }
  for (Staged& each : staged) {  // entries may have moved just now, with names and values
    Target& target = each.target;
    if (target.old == nullptr) continue;
    const Entry& entry = target.store->entries_[target.place];
    target.name = entry.name;
    target.old = &entry.value;
  }
  return staged;
}

void Ledger::commit(const Proposal& proposal) {
  check_rounding();
  PoolVector<Staged> staged = stage(proposal);
  Records records;
  describe(proposal, staged, records);
  append(records);
  sequence_ += staged.size();
  for (Staged& each : staged) apply(each);
}

// Puts one value in place; nothing here can fail.
void Ledger::apply(Staged& staged) {
  Store& store = *staged.target.store;
  std::vector<Entry>& entries = store.entries_;
  Written& written = staged.written;
  if (staged.target.removed) {
    store.places_.erase(store.places_.find(staged.target.name));
    entries.pop_back();
  } else if (staged.target.old != nullptr) {
    Entry& entry = entries[staged.target.place];
    entry.value = std::move(written.value);
    entry.written = staged.seq;
    entry.digest = written.digest;
  } else {
    entries.push_back(
        {std::move(staged.entry_name), std::move(written.value), staged.seq, written.digest});
    store.places_.insert(std::move(staged.place));
  }
}

}  // namespace palinode
