#include "optim/reversible.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "optim/units.h"
#include "tensor/error.h"
#include "tensor/finite.h"

namespace palinode::optim {
// One parameter, in units; a list of values and one of buffers for each moment.
struct Reversible::Integers {
  Units w;
  std::vector<Units> moments;
  std::vector<std::vector<std::uint64_t>> lost;
};

Tensor on_grid(const Tensor& weights) {
  const Units units = to_units(weights, 0x1p-40, 0x1p52, "a weight");
  return in_tensor(units, 0x1p-40, weights.shape(), weights.dtype());
}

Reversible::Reversible(Reason reason, const Store& state, const Store& target,
                       std::vector<Moment> moments)
    : reason_(reason), state_(&state), target_(&target), moments_(std::move(moments)) {
  for (const Moment& moment : moments_) {
    const auto& [n, d] = moment.decay;
    if (n <= 0 || n > d || d > 65536) {
      fail(fmt::format("the {} is a ratio n / d with 0 < n <= d <= 65536, got {} / {}",
                       moments_.size() == 1 ? "momentum" : "decay of " + moment.name, n, d));
    }
    intervals_.push_back(steps_per_word(moment.decay));
  }
  if (target.frozen()) {
    throw FrozenError(
        fmt::format("reversible: {} is frozen since write {}; an optimizer cannot be built over it",
                    target.name(), target.frozen_since()));
  }
  if (state.role() != Role::kOptimizer) {
    throw NameError(fmt::format(
        "reversible: its state needs a store with the role optimizer, {} has the role {}",
        state.name(), role_name(state.role())));
  }
}

void Reversible::fail(const std::string& what) { throw Error(fmt::format("reversible: {}", what)); }

std::uint64_t Reversible::steps() const {
  return state_->contains("step") ? static_cast<std::uint64_t>(state_->at("step").item()) : 0;
}

void Reversible::put(Proposal& proposal, std::string name, Tensor value) const {
  const bool create = !state_->contains(name);
  proposal.writes.push_back({state_, PoolString(name), std::move(value), create});
}

Proposal Reversible::start(Reason reason, std::uint64_t step, bool rewound) const {
  Proposal proposal{.reason = reason, .step = step, .finite_only = true};
  proposal.proposer = PoolString(fmt::format("reversible.{}", target_->name()));
  put(proposal, "step", Tensor::full<std::int32_t>({}, static_cast<std::int32_t>(step)));
  put(proposal, "rewound", Tensor::full<std::int32_t>({}, rewound ? 1 : 0));
  return proposal;
}

void Reversible::check_phase(bool rewound) const {
  if (!state_->contains("step")) fail("begin() comes first");
  if ((state_->at("rewound").item() != 0) == rewound) return;
  fail(rewound ? "rewind_weights comes before rewind_moments"
               : "a step back is half done: rewind_moments comes next");
}

const Gradients::Item& Reversible::gradient_of(const Gradients& gradients, std::size_t i) const {
  const Entry& entry = target_->entries()[i];
  const Gradients::Item* item = gradients.find_item(*target_, i);
  if (item == nullptr) {
    throw NameError(fmt::format("reversible: no gradient for {}/{}", target_->name(), entry.name));
  }
  if (item->written != entry.written) {
    throw StaleReadError(fmt::format(
        "reversible: {}/{} was read as of write {} and has been written since (write {}): its "
        "gradient is of another value",
        target_->name(), entry.name, item->written, entry.written));
  }
  if (const auto bad = first_not_finite(item->value)) {
    throw NonFiniteError(
        fmt::format("reversible: the gradient of {}/{} {} is not finite, first at element {}",
                    target_->name(), entry.name, item->value.describe(), *bad));
  }
  return *item;
}

// What the gradient of parameter i adds to each moment, in its units.
std::vector<Units> Reversible::parts(const Gradients& gradients, std::size_t i) const {
  const Tensor wide = gradient_of(gradients, i).value.compact().to(Dtype::kF64);
  const std::string what = fmt::format("the gradient of {}", target_->entries()[i].name);
  std::vector<Units> parts;
  for (std::size_t m = 0; m < moments_.size(); ++m) {
    const Reals reals = part(m, wide.values<double>());
    parts.push_back(to_units(reals, moments_[m].unit, moments_[m].limit, what));
  }
  return parts;
}

Units Reversible::moved(std::uint64_t step, const Integers& values) const {
  std::vector<Reals> moments;
  for (std::size_t m = 0; m < moments_.size(); ++m) {
    moments.push_back(in_reals(values.moments[m], moments_[m].unit));
  }
  return to_units(move(step, moments), kUnit, kLimit, "a step");
}

std::string Reversible::lost_name(std::size_t moment) const {
  return moments_.size() == 1 ? "lost" : "lost." + moments_[moment].name;
}

std::string Reversible::word_name(std::size_t moment, std::uint64_t word,
                                  const std::string& parameter) const {
  return fmt::format("{}/{}/{}", lost_name(moment), word, parameter);
}

// Throws unless everything is as the last step left it.
Reversible::Integers Reversible::load(std::size_t i) const {
  const Entry& entry = target_->entries()[i];
  const auto at = [&](const std::string& slot) { return state_->at(slot + "/" + entry.name); };
  std::vector<Tensor> sealed = {at("w")};
  for (std::size_t m = 0; m < moments_.size(); ++m) {
    sealed.push_back(at(moments_[m].name));
    sealed.push_back(at(lost_name(m)));
  }
  const std::uint64_t step = 2 * steps() + (state_->at("rewound").item() != 0 ? 1 : 0);
  if (!same_values(at("seal"), seal_of(step, sealed))) {
    fail(fmt::format("the state or the buffer of {}/{} is not what its last step left",
                     target_->name(), entry.name));
  }
  Integers values{.w = to_units(sealed[0], kUnit, kLimit, entry.name), .moments = {}, .lost = {}};
  const Tensor weights = in_tensor(values.w, kUnit, entry.value.shape(), entry.value.dtype());
  if (!same_values(entry.value, weights)) {
    fail(fmt::format("{}/{} is not what the last step left", target_->name(), entry.name));
  }
  for (std::size_t m = 0; m < moments_.size(); ++m) {
    const Tensor& moment = sealed[1 + 2 * m];
    values.moments.push_back(
        moments_[m].limit > kLimit
            ? from_words<std::int64_t>(moment)
            : to_units(moment, moments_[m].unit, moments_[m].limit, moments_[m].name));
    values.lost.push_back(from_words<std::uint64_t>(sealed[2 + 2 * m]));
  }
  return values;
}

// The new values of a parameter, with the seal of the step that `proposal` ends in.
void Reversible::store(Proposal& proposal, std::size_t i, const Integers& values,
                       bool rewound) const {
  const Entry& entry = target_->entries()[i];
  const Shape& shape = entry.value.shape();
  check_range(values.w, kUnit, kLimit, entry.name);
  std::vector<Tensor> sealed = {in_tensor(values.w, kUnit, shape, Dtype::kF64)};
  put(proposal, "w/" + entry.name, sealed[0]);
  for (std::size_t m = 0; m < moments_.size(); ++m) {
    const Moment& moment = moments_[m];
    check_range(values.moments[m], moment.unit, moment.limit,
                fmt::format("{} of {}", moment.name, entry.name));
    sealed.push_back(moment.limit > kLimit
                         ? to_words<std::int64_t>(values.moments[m])
                         : in_tensor(values.moments[m], moment.unit, shape, Dtype::kF64));
    put(proposal, moment.name + "/" + entry.name, sealed.back());
    sealed.push_back(to_words<std::uint64_t>(values.lost[m]));
    put(proposal, lost_name(m) + "/" + entry.name, sealed.back());
  }
  put(proposal, "seal/" + entry.name, seal_of(2 * proposal.step + (rewound ? 1 : 0), sealed));
  proposal.writes.push_back(
      {target_, PoolString(entry.name), in_tensor(values.w, kUnit, shape, entry.value.dtype())});
}

Proposal Reversible::begin() const {
  if (state_->contains("step")) fail("begin() is for an empty state");
  Proposal proposal = start(Reason::kInit, 0, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const Entry& entry = target_->entries()[i];
    Integers values{
        .w = to_units(entry.value, kUnit, kLimit, entry.name), .moments = {}, .lost = {}};
    values.moments.assign(moments_.size(), Units(values.w.size()));
    values.lost.assign(moments_.size(), std::vector<std::uint64_t>(values.w.size()));
    store(proposal, i, values, false);
  }
  return proposal;
}

// Gives the low words of all buffers away.
void Reversible::push_word(Proposal& proposal, std::size_t moment, const std::string& parameter,
                           Integers& values) const {
  std::vector<std::int32_t> words;
  for (std::uint64_t& lost : values.lost[moment]) {
    words.push_back(static_cast<std::int32_t>(lost & 0xffffffffU));
    lost >>= 32U;
  }
  const std::string place = word_name(moment, proposal.step / intervals_[moment] - 1, parameter);
  const Tensor value = Tensor::from<std::int32_t>(words, {words.size()});
  put(proposal, place, value);
  put(proposal, "seal/" + place, seal_of(proposal.step, {&value, 1}));
}

// Takes them back, and leaves zeros.
void Reversible::pop_word(Proposal& proposal, std::size_t moment, const std::string& parameter,
                          Integers& values) const {
  const std::string place = word_name(moment, steps() / intervals_[moment] - 1, parameter);
  const Tensor value = state_->at(place);
  if (!same_values(state_->at("seal/" + place), seal_of(steps(), {&value, 1}))) {
    fail(fmt::format("{}/{} is not what was put there", state_->name(), place));
  }
  const std::span<const std::int32_t> words = value.values<std::int32_t>();
  for (std::size_t k = 0; k < words.size(); ++k) {
    std::uint64_t& lost = values.lost[moment][k];
    lost = lost << 32U | static_cast<std::uint32_t>(words[k]);
  }
  const Tensor zeros = Tensor::zeros(value.shape(), Dtype::kI32);
  put(proposal, place, zeros);
  put(proposal, "seal/" + place, seal_of(0, {&zeros, 1}));
}

Proposal Reversible::propose(const Gradients& gradients) const {
  check_phase(false);
  Proposal proposal = start(reason_, steps() + 1, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const std::string& name = target_->entries()[i].name;
    const std::vector<Units> added = parts(gradients, i);
    Integers x = load(i);
    for (std::size_t m = 0; m < moments_.size(); ++m) {
      for (std::size_t k = 0; k < x.w.size(); ++k) {
        const Lossless y = multiply({x.moments[m][k], x.lost[m][k]}, moments_[m].decay);
        x.moments[m][k] = y.value + added[m][k];
        x.lost[m][k] = y.lost;
      }
    }
    const Units steps_down = moved(proposal.step, x);
    for (std::size_t k = 0; k < x.w.size(); ++k) x.w[k] -= steps_down[k];
    for (std::size_t m = 0; m < moments_.size(); ++m) {
      if (proposal.step % intervals_[m] == 0) push_word(proposal, m, name, x);
    }
    store(proposal, i, x, false);
  }
  return proposal;
}

Proposal Reversible::rewind_weights() const {
  check_phase(false);
  if (steps() == 0) fail("there is no step to take back");
  Proposal proposal = start(Reason::kRestore, steps(), true);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    Integers x = load(i);
    const Units steps_up = moved(proposal.step, x);
    for (std::size_t k = 0; k < x.w.size(); ++k) x.w[k] += steps_up[k];
    store(proposal, i, x, true);
  }
  return proposal;
}

Proposal Reversible::rewind_moments(const Gradients& gradients) const {
  check_phase(true);
  Proposal proposal = start(Reason::kRestore, steps() - 1, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const std::string& name = target_->entries()[i].name;
    const std::vector<Units> added = parts(gradients, i);
    Integers x = load(i);
    for (std::size_t m = 0; m < moments_.size(); ++m) {
      if (steps() % intervals_[m] == 0) pop_word(proposal, m, name, x);
      for (std::size_t k = 0; k < x.w.size(); ++k) {
        const Lossless y =
            unmultiply({x.moments[m][k] - added[m][k], x.lost[m][k]}, moments_[m].decay);
        x.moments[m][k] = y.value;
        x.lost[m][k] = y.lost;
      }
    }
    store(proposal, i, x, false);
  }
  return proposal;
}

std::uint64_t Reversible::lost_bits() const {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const Integers values = load(i);
    for (std::size_t m = 0; m < moments_.size(); ++m) {
      bits += 32 * (steps() / intervals_[m]) * values.lost[m].size();
      for (const std::uint64_t lost : values.lost[m]) {
        bits += static_cast<std::uint64_t>(std::bit_width(lost));
      }
    }
  }
  return bits;
}

ReversibleSgd::ReversibleSgd(const Store& state, const Store& target,
                             const ReversibleConfig& config)
    : Reversible(Reason::kSgd, state, target, {{"v", config.momentum, kUnit, kLimit}}),
      lr_(config.lr) {}

Reversible::Reals ReversibleSgd::part(std::size_t, std::span<const double> g) const {
  return {g.begin(), g.end()};
}

Reversible::Reals ReversibleSgd::move(std::uint64_t step, std::span<const Reals> moments) const {
  const double lr = lr_.at(step - 1);
  Reals moved = moments[0];
  for (double& x : moved) x = lr * x;
  return moved;
}

}  // namespace palinode::optim
