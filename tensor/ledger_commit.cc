// Ledger::commit: find and check every place, make every value, record, and only then put in place.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "tensor/error.h"
#include "tensor/finite.h"
#include "tensor/ledger.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"
#include "tensor/write_pass.h"

namespace palinode {
namespace {

// Elements of a proposal that are worth waking threads for.
constexpr std::size_t kParallelElements = std::size_t{1} << 15;

// JSON has no word for what is not finite. A NaN has no sign in a record: which one it has is the
// processor's choice.
void append_number(fmt::memory_buffer& text, double x) {
  const auto out = std::back_inserter(text);
  if (std::isnan(x)) {
    fmt::format_to(out, FMT_COMPILE("\"nan\""));
  } else if (std::isinf(x)) {
    fmt::format_to(out, FMT_COMPILE("\"{}\""), x);
  } else {
    fmt::format_to(out, FMT_COMPILE("{}"), x);
  }
}

std::string author(const Proposal& proposal) {
  return fmt::format("proposed by {}, step {}", proposal.proposer, proposal.step);
}

// Why values are not finite: the first gradient that was not, otherwise the first value itself.
[[noreturn]] void throw_not_finite(const Proposal& proposal, const Store& store,
                                   const std::string& name) {
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
  const std::string* name;
  const Tensor* old;  // none for a new entry
};

// One value with all the memory it needs, so that putting it in place cannot fail.
struct Ledger::Staged {
  Target target;
  kernels::Change change;
  Entry entry;
  std::map<std::string, std::size_t, std::less<>>::node_type name;  // of a new entry
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
  return {&store, place, &entry.name, &entry.value};
}

// A place that does not exist yet: `created` counts those of this proposal.
Ledger::Target Ledger::fresh(const Proposal& proposal, Store& store, const std::string& name,
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
  return {&store, store.entries_.size() + created[&store]++, &name, nullptr};
}

// Every place of the proposal, each checked; nothing is written.
std::vector<Ledger::Target> Ledger::targets(const Proposal& proposal) {
  check_name("commit: proposer", proposal.proposer);
  std::vector<Target> found;
  std::map<const Store*, std::size_t> created;
  for (const Write& write : proposal.writes) {
    Store& store = mine(write.store);
    if (write.create) {
      found.push_back(fresh(proposal, store, write.name, write.value, created));
    } else {
      const std::size_t place = store.index(write.name);
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
    for (const std::string& moment : step.moments) {
      const auto place = state.places_.find(moment);
      found.push_back(place == state.places_.end()
                          ? fresh(proposal, state, moment, step.gradient, created)
                          : existing(proposal, state, place->second, step.gradient, "parameter"));
    }
  }
  std::vector<std::pair<const Store*, std::string_view>> names;
  for (const Target& target : found) names.emplace_back(target.store, *target.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) {
    throw NameError(fmt::format("commit: {}/{} is written twice; {}", twice->first->name(),
                                twice->second, author(proposal)));
  }
  return found;
}

// Makes the values, one pass over each; threads share out the parameters of a large proposal.
std::vector<Written> Ledger::make_values(const Proposal& proposal,
                                         std::span<const Target> targets) const {
  const bool measured = level_ != Level::kOff || proposal.finite_only;
  const WritePass pass{.change = measured, .digest = level_ >= Level::kDigest};
  const std::size_t writes = proposal.writes.size();
  std::vector<std::size_t> first;  // target of each write and step
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
  std::vector<Written> made(targets.size());
  const auto make = [&](std::size_t i) {
    const std::span<const Target> at = targets.subspan(first[i]);
    if (i < writes) {
      made[first[i]] = copy_value(at[0].old, proposal.writes[i].value, pass);
      return;
    }
    const Step& step = proposal.steps[i - writes];
    std::vector<Tensor> moments;
    for (std::size_t k = 1; k <= step.moments.size(); ++k) {
      moments.push_back(at[k].old != nullptr
                            ? *at[k].old
                            : Tensor::zeros(step.gradient.shape(), step.gradient.dtype()));
    }
    std::ranges::move(take_step(step, *at[0].old, moments, pass),
                      made.begin() + static_cast<std::ptrdiff_t>(first[i]));
  };
  if (elements < kParallelElements) {
    for (std::size_t i = 0; i < first.size(); ++i) make(i);
  } else {
    parallel_jobs(first.size(), make);
  }
  return made;
}

std::vector<Ledger::Staged> Ledger::stage(const Proposal& proposal) {
  const std::vector<Target> places = targets(proposal);
  std::vector<Written> values = make_values(proposal, places);
  std::vector<Staged> staged;
  staged.reserve(places.size());
  std::map<Store*, std::size_t> sizes;
  std::uint64_t seq = sequence_;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Target& target = places[i];
    if (proposal.finite_only && !values[i].finite) {
      throw_not_finite(proposal, *target.store, *target.name);
    }
    staged.push_back({target,
                      values[i].change,
                      {*target.name, std::move(values[i].value), seq, values[i].digest},
                      {}});
    ++seq;
    if (target.old != nullptr) continue;
    std::map<std::string, std::size_t, std::less<>> one{{*target.name, target.place}};
    staged.back().name = one.extract(one.begin());
    sizes[target.store] = std::max(sizes[target.store], target.place + 1);
  }
  // Twice as much as before, so that a store filled one by one is not copied each time.
  for (const auto& [store, size] : sizes) {
    std::vector<Entry>& entries = store->entries_;
    if (size > entries.capacity()) entries.reserve(std::max(size, 2 * entries.capacity()));
  }
  return staged;
}

std::vector<std::string> Ledger::describe(const Proposal& proposal,
                                          std::span<const Staged> staged) const {
  std::vector<std::string> bodies;
  if (level_ == Level::kOff) return bodies;
  bodies.reserve(staged.size());
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  for (const Staged& each : staged) {
    text.clear();
    fmt::format_to(out,
                   FMT_COMPILE(R"({{"seq":{},"store":"{}","name":"{}","reason":"{}","by":"{}",)"
                               R"("seed":{},"step":{},"elements":{},"changed":{},"max_abs":)"),
                   each.entry.written, each.target.store->name(), each.entry.name,
                   reason_name(proposal.reason), proposal.proposer, proposal.seed, proposal.step,
                   each.entry.value.elements(), each.change.elements_changed);
    append_number(text, each.change.max_abs);
    fmt::format_to(out, FMT_COMPILE(R"(,"l2":)"));
    append_number(text, each.change.l2);
    if (level_ >= Level::kDigest) {
      const bool is_new = each.target.old == nullptr;
      const std::string old =
          is_new ? "" : hex(each.target.store->entries_[each.target.place].digest.value());
      fmt::format_to(out, FMT_COMPILE(R"(,"old":"{}","new":"{}")"), old,
                     hex(each.entry.digest.value()));
    }
    bodies.emplace_back(text.data(), text.size());
  }
  return bodies;
}

void Ledger::commit(const Proposal& proposal) {
  check_rounding();
  std::vector<Staged> staged = stage(proposal);
  append(describe(proposal, staged));
  sequence_ += staged.size();
  for (Staged& each : staged) {
    std::vector<Entry>& entries = each.target.store->entries_;
    if (each.name.empty()) {
      entries[each.target.place] = std::move(each.entry);
    } else {
      entries.push_back(std::move(each.entry));
      each.target.store->places_.insert(std::move(each.name));
    }
  }
}

}  // namespace palinode
