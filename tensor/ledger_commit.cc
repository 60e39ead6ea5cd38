// Ledger::commit: find and check every place, make every value, record, and only then put in place.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "tensor/error.h"
#include "tensor/finite.h"
#include "tensor/ledger.h"
#include "tensor/ledger_records.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"
#include "tensor/write_pass.h"

namespace palinode {
namespace {

// Elements of a proposal that are worth waking threads for.
constexpr std::size_t kParallelElements = std::size_t{1} << 15;

// JSON has no word for what is not finite. A NaN has no sign in a record: which one it has is the
// processor's choice.
void append_number(Text& text, double x) {
  const auto out = std::back_inserter(text);
  if (std::isnan(x)) {
    fmt::format_to(out, FMT_COMPILE("\"nan\""));
  } else if (std::isinf(x)) {
    fmt::format_to(out, FMT_COMPILE("\"{}\""), x);
  } else {
    fmt::format_to(out, FMT_COMPILE("{}"), x);
  }
}

void append_hex(Text& text, const Xxh3Digest& digest) {
  std::array<char, 2 * sizeof(Xxh3Digest)> letters{};
  write_hex(digest, letters.data());
  text.append(letters.data(), letters.data() + letters.size());
}

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

// One place a proposal writes to: a Write's, a step's parameter, or one of its moments.
struct Ledger::Target {
  Store* store;
  std::size_t place;
  std::string_view name;
  const Tensor* old;  // none for a new entry
};

// One value with all the memory it needs, so that putting it in place cannot fail.
struct Ledger::Staged {
  Target target;
  Written written;
  std::uint64_t seq;
  std::string entry_name;  // of a new entry, as is the next
  std::map<std::string, std::size_t, std::less<>>::node_type place;
};

// A place that exists, for a value like `like`; `what` that is, for the message.
Ledger::Target Ledger::existing(const Proposal& proposal, Store& store, std::size_t place,
                                const Tensor& like, std::string_view what) {
  const Entry& entry = store.entries_[place];
  const auto where = [&] { return fmt::format("commit: {}/{}", store.name(), entry.name); };
  if (store.frozen()) {
    throw FrozenError(fmt::format("{} {} is frozen since write {}; {}", where(), like.describe(),
                                  store.frozen_since(), author(proposal)));
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

// A place that does not exist yet: `created` counts those of this proposal.
Ledger::Target Ledger::fresh(const Proposal& proposal, Store& store, std::string_view name,
                             const Tensor& like, std::map<const Store*, std::size_t>& created) {
  if (store.frozen()) {
    throw FrozenError(fmt::format("commit: {}/{} {} is frozen since write {}; {}", store.name(),
                                  name, like.describe(), store.frozen_since(), author(proposal)));
  }
  check_name("commit", name);
  if (store.contains(name)) {
    throw NameError(
        fmt::format("commit: {}/{} exists already; {}", store.name(), name, author(proposal)));
  }
  return {&store, store.entries_.size() + created[&store]++, name, nullptr};
}

// Every place of the proposal, each checked; nothing is written.
PoolVector<Ledger::Target> Ledger::targets(const Proposal& proposal) {
  check_name("commit: proposer", proposal.proposer.view());
  PoolVector<Target> found;
  found.reserve(proposal.writes.size() + (1 + kMaxMoments) * proposal.steps.size());
  std::map<const Store*, std::size_t> created;
  for (const Write& write : proposal.writes) {
    Store& store = mine(write.store);
    if (write.create) {
      found.push_back(fresh(proposal, store, write.name.view(), write.value, created));
    } else {
      const std::size_t place = store.index(write.name.view());
      found.push_back(existing(proposal, store, place, write.value, "new value"));
    }
  }
  for (const Step& step : proposal.steps) {
    Store& store = mine(step.store);
    if (step.entry >= store.entries_.size()) {
      throw NameError(fmt::format("commit: a step for entry {} of {}, which has {}; {}", step.entry,
                                  store.name(), store.entries_.size(), author(proposal)));
    }
    found.push_back(existing(proposal, store, step.entry, step.gradient, "gradient"));
    const Entry& parameter = store.entries_[step.entry];
    if (step.read != 0 && step.read != parameter.written) {
      throw StaleReadError(fmt::format(
          "commit: {}/{} was read as of write {} and has been written since (write {}): "
          "its gradient is of another value; {}",
          store.name(), parameter.name, step.read, parameter.written, author(proposal)));
    }
    const std::size_t wanted = moments_of(step.rule);
    if (step.moments.size() != wanted) {
      throw NameError(fmt::format("commit: a step for {}/{} names {} moments, its rule has {}; {}",
                                  store.name(), store.entries_[step.entry].name,
                                  step.moments.size(), wanted, author(proposal)));
    }
    if (wanted == 0) continue;
    Store& state = mine(step.state);
    for (const PoolString& moment : step.moments) {
      const auto place = state.places_.find(moment.view());
      found.push_back(place == state.places_.end()
                          ? fresh(proposal, state, moment.view(), step.gradient, created)
                          : existing(proposal, state, place->second, step.gradient, "parameter"));
    }
  }
  PoolVector<std::pair<const Store*, std::string_view>> names;
  names.reserve(found.size());
  for (const Target& target : found) names.emplace_back(target.store, target.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) {
    throw NameError(fmt::format("commit: {}/{} is written twice; {}", twice->first->name(),
                                twice->second, author(proposal)));
  }
  return found;
}

// Makes the values, one pass over each; threads share out the parameters of a large proposal.
PoolVector<Written> Ledger::make_values(const Proposal& proposal,
                                        std::span<const Target> targets) const {
  const bool measured = level_ != Level::kOff || proposal.finite_only;
  const WritePass pass{.change = measured, .digest = level_ >= Level::kDigest};
  const std::size_t writes = proposal.writes.size();
  PoolVector<std::size_t> first;  // target of each write and step
  std::size_t elements = 0;
  std::size_t next = 0;
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
    if (proposal.finite_only && !values[i].finite) {
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
  return staged;
}

// The record of each value: its text up to the chain.
void Ledger::describe(const Proposal& proposal, std::span<const Staged> staged,
                      Records& records) const {
  if (level_ == Level::kOff) return;
  records.ends.reserve(staged.size());
  Text& text = records.text;
  const auto out = std::back_inserter(text);
  for (const Staged& each : staged) {
    fmt::format_to(out,
                   FMT_COMPILE(R"({{"seq":{},"store":"{}","name":"{}","reason":"{}","by":"{}",)"
                               R"("seed":{},"step":{},"elements":{},"changed":{},"max_abs":)"),
                   each.seq, each.target.store->name(), each.target.name,
                   reason_name(proposal.reason), proposal.proposer.view(), proposal.seed,
                   proposal.step, each.written.value.elements(),
                   each.written.change.elements_changed);
    append_number(text, each.written.change.max_abs);
    fmt::format_to(out, FMT_COMPILE(R"(,"l2":)"));
    append_number(text, each.written.change.l2);
    if (level_ >= Level::kDigest) {
      fmt::format_to(out, FMT_COMPILE(R"(,"old":")"));
      if (each.target.old != nullptr) {
        append_hex(text, each.target.store->entries_[each.target.place].digest.value());
      }
      fmt::format_to(out, FMT_COMPILE(R"(","new":")"));
      append_hex(text, each.written.digest.value());
      text.push_back('"');
    }
    records.ends.push_back(text.size());
  }
}

void Ledger::commit(const Proposal& proposal) {
  check_rounding();
  PoolVector<Staged> staged = stage(proposal);
  Records records;
  describe(proposal, staged, records);
  append(records);
  sequence_ += staged.size();
  for (Staged& each : staged) {
    std::vector<Entry>& entries = each.target.store->entries_;
    Written& written = each.written;
    if (each.target.old != nullptr) {
      Entry& entry = entries[each.target.place];
      entry.value = std::move(written.value);
      entry.written = each.seq;
      entry.digest = written.digest;
    } else {
      entries.push_back(
          {std::move(each.entry_name), std::move(written.value), each.seq, written.digest});
      each.target.store->places_.insert(std::move(each.place));
    }
  }
}

}  // namespace palinode
