#include "optim/reversible.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/finite.h"

namespace palinode::optim {
namespace {

constexpr double kUnit = 0x1p-40;
constexpr double kLimit = 0x1p52;  // in units, so that every integer is exact in f64

std::string word_name(std::uint64_t word, std::string_view parameter) {
  return fmt::format("lost/{}/{}", word, parameter);
}

// Binds values to each other: a change of any of them, or of the step, is another seal.
Tensor seal_of(std::uint64_t step, std::initializer_list<Tensor> values) {
  Sha256 sha;
  sha.add(step);
  for (const Tensor& value : values) sha.add(hex(xxh3(value)));
  const auto words = std::bit_cast<std::array<std::int32_t, 8>>(sha.finish());
  return Tensor::from<std::int32_t>(words, {8});
}

bool same_values(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && xxh3(a) == xxh3(b);
}

Tensor on_grid(std::span<const std::int64_t> units, const Shape& shape, Dtype dtype) {
  std::vector<double> values;
  values.reserve(units.size());
  for (const std::int64_t unit : units) values.push_back(static_cast<double>(unit) * kUnit);
  return Tensor::from<double>(values, shape).to(dtype);
}

}  // namespace

// One parameter, in units.
struct ReversibleSgd::Integers {
  std::vector<std::int64_t> w, v;
  std::vector<std::uint64_t> lost;
};

ReversibleSgd::ReversibleSgd(const Store& state, const Store& target,
                             const ReversibleConfig& config)
    : state_(&state), target_(&target), config_(config) {
  const auto& [n, d] = config.momentum;
  if (n <= 0 || n > d || d > 65536) {
    fail(fmt::format("the momentum is a ratio n / d with 0 < n <= d <= 65536, got {} / {}", n, d));
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
  interval_ = steps_per_word(config.momentum);
}

void ReversibleSgd::fail(const std::string& what) const {
  throw Error(fmt::format("reversible: {}", what));
}

std::uint64_t ReversibleSgd::steps() const {
  return state_->contains("step") ? static_cast<std::uint64_t>(state_->at("step").item()) : 0;
}

void ReversibleSgd::put(Proposal& proposal, std::string name, Tensor value) const {
  const bool create = !state_->contains(name);
  proposal.writes.push_back({state_, PoolString(name), std::move(value), create});
}

Proposal ReversibleSgd::start(Reason reason, std::uint64_t step, bool rewound) const {
  Proposal proposal{.reason = reason, .step = step, .finite_only = true};
  proposal.proposer = PoolString(fmt::format("reversible.{}", target_->name()));
  put(proposal, "step", Tensor::full<std::int32_t>({}, static_cast<std::int32_t>(step)));
  put(proposal, "rewound", Tensor::full<std::int32_t>({}, rewound ? 1 : 0));
  return proposal;
}

void ReversibleSgd::check_phase(bool rewound) const {
  if (!state_->contains("step")) fail("begin() comes first");
  if ((state_->at("rewound").item() != 0) == rewound) return;
  fail(rewound ? "rewind_weights comes before rewind_velocity"
               : "a step back is half done: rewind_velocity comes next");
}

const Gradients::Item& ReversibleSgd::gradient_of(const Gradients& gradients, std::size_t i) const {
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

namespace {

// Each value in units, to nearest. Throws Error naming `what` for one beyond the grid.
std::vector<std::int64_t> to_units(const Tensor& values, std::string_view what) {
  const Tensor wide = values.compact().to(Dtype::kF64);
  std::vector<std::int64_t> units;
  for (const double value : wide.values<double>()) {
    const double unit = std::nearbyint(value / kUnit);
    if (!(std::abs(unit) < kLimit)) {
      throw Error(
          fmt::format("reversible: {} holds {}, which is beyond 2^12 or not finite", what, value));
    }
    units.push_back(static_cast<std::int64_t>(unit));
  }
  return units;
}

void check_range(std::span<const std::int64_t> units, std::string_view what) {
  for (const std::int64_t unit : units) {
    if (std::abs(static_cast<double>(unit)) < kLimit) continue;
    throw Error(fmt::format("reversible: {} would be beyond 2^12", what));
  }
}

}  // namespace

// Throws unless everything is as the last step left it.
ReversibleSgd::Integers ReversibleSgd::load(std::size_t i) const {
  const Entry& entry = target_->entries()[i];
  const auto at = [&](std::string_view slot) {
    return state_->at(fmt::format("{}/{}", slot, entry.name));
  };
  const Tensor w = at("w"), v = at("v"), lost = at("lost");
  const std::uint64_t step = 2 * steps() + (state_->at("rewound").item() != 0 ? 1 : 0);
  if (!same_values(at("seal"), seal_of(step, {w, v, lost}))) {
    fail(fmt::format("the state or the buffer of {}/{} is not what its last step left",
                     target_->name(), entry.name));
  }
  Integers values{.w = to_units(w, entry.name), .v = to_units(v, entry.name), .lost = {}};
  if (!same_values(entry.value, on_grid(values.w, entry.value.shape(), entry.value.dtype()))) {
    fail(fmt::format("{}/{} is not what the last step left", target_->name(), entry.name));
  }
  const std::span<const std::int32_t> words = lost.values<std::int32_t>();
  const std::size_t n = values.w.size();
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint64_t low = static_cast<std::uint32_t>(words[k]);
    const std::uint64_t high = static_cast<std::uint32_t>(words[n + k]);
    values.lost.push_back(high << 32U | low);
  }
  return values;
}

// The new values of a parameter, with the seal of the step that `proposal` ends in.
void ReversibleSgd::store(Proposal& proposal, std::size_t i, const Integers& values,
                          bool rewound) const {
  const Entry& entry = target_->entries()[i];
  const Shape& shape = entry.value.shape();
  check_range(values.w, entry.name);
  check_range(values.v, fmt::format("the velocity of {}", entry.name));
  const std::size_t n = values.w.size();
  std::vector<std::int32_t> words(2 * n);
  for (std::size_t k = 0; k < n; ++k) {
    words[k] = static_cast<std::int32_t>(values.lost[k] & 0xffffffffU);
    words[n + k] = static_cast<std::int32_t>(values.lost[k] >> 32U);
  }
  const Tensor w = on_grid(values.w, shape, Dtype::kF64), v = on_grid(values.v, shape, Dtype::kF64);
  const Tensor lost = Tensor::from<std::int32_t>(words, {2, n});
  put(proposal, "w/" + entry.name, w);
  put(proposal, "v/" + entry.name, v);
  put(proposal, "lost/" + entry.name, lost);
  put(proposal, "seal/" + entry.name, seal_of(2 * proposal.step + (rewound ? 1 : 0), {w, v, lost}));
  proposal.writes.push_back(
      {target_, PoolString(entry.name), on_grid(values.w, shape, entry.value.dtype())});
}

Proposal ReversibleSgd::begin() const {
  if (state_->contains("step")) fail("begin() is for an empty state");
  Proposal proposal = start(Reason::kInit, 0, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const Entry& entry = target_->entries()[i];
    Integers values{.w = to_units(entry.value, entry.name), .v = {}, .lost = {}};
    values.v.resize(values.w.size());
    values.lost.resize(values.w.size());
    store(proposal, i, values, false);
  }
  return proposal;
}

// Gives the low words of all buffers away.
void ReversibleSgd::push_word(Proposal& proposal, const std::string& name, Integers& values) const {
  std::vector<std::int32_t> words;
  for (std::uint64_t& lost : values.lost) {
    words.push_back(static_cast<std::int32_t>(lost & 0xffffffffU));
    lost >>= 32U;
  }
  const std::uint64_t word = pushes(proposal.step) - 1;
  const Tensor value = Tensor::from<std::int32_t>(words, {words.size()});
  put(proposal, word_name(word, name), value);
  put(proposal, "seal/" + word_name(word, name), seal_of(proposal.step, {value}));
}

// Takes them back, and leaves zeros.
void ReversibleSgd::pop_word(Proposal& proposal, const std::string& name, Integers& values) const {
  const std::string place = word_name(pushes(steps()) - 1, name);
  const Tensor value = state_->at(place);
  if (!same_values(state_->at("seal/" + place), seal_of(steps(), {value}))) {
    fail(fmt::format("{}/{} is not what was put there", state_->name(), place));
  }
  const std::span<const std::int32_t> words = value.values<std::int32_t>();
  for (std::size_t k = 0; k < words.size(); ++k) {
    values.lost[k] = values.lost[k] << 32U | static_cast<std::uint32_t>(words[k]);
  }
  const Tensor zeros = Tensor::zeros(value.shape(), Dtype::kI32);
  put(proposal, place, zeros);
  put(proposal, "seal/" + place, seal_of(0, {zeros}));
}

namespace {

// lr * v in units, to nearest.
std::int64_t shift(double lr, std::int64_t v) {
  const double units = std::nearbyint(lr * static_cast<double>(v));
  if (!(std::abs(units) < kLimit)) throw Error("reversible: a step would be beyond 2^12");
  return static_cast<std::int64_t>(units);
}

}  // namespace

Proposal ReversibleSgd::propose(const Gradients& gradients) const {
  check_phase(false);
  const double lr = config_.lr.at(steps());
  Proposal proposal = start(Reason::kSgd, steps() + 1, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const std::string& name = target_->entries()[i].name;
    const auto g = to_units(gradient_of(gradients, i).value, "the gradient of " + name);
    Integers x = load(i);
    for (std::size_t k = 0; k < g.size(); ++k) {
      const Lossless product = multiply({x.v[k], x.lost[k]}, config_.momentum);
      x.v[k] = product.value + g[k];
      x.lost[k] = product.lost;
    }
    check_range(x.v, "the velocity of " + name);
    for (std::size_t k = 0; k < g.size(); ++k) x.w[k] -= shift(lr, x.v[k]);
    if (proposal.step % interval_ == 0) push_word(proposal, name, x);
    store(proposal, i, x, false);
  }
  return proposal;
}

Proposal ReversibleSgd::rewind_weights() const {
  check_phase(false);
  if (steps() == 0) fail("there is no step to take back");
  const double lr = config_.lr.at(steps() - 1);
  Proposal proposal = start(Reason::kRestore, steps(), true);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    Integers x = load(i);
    for (std::size_t k = 0; k < x.w.size(); ++k) x.w[k] += shift(lr, x.v[k]);
    store(proposal, i, x, true);
  }
  return proposal;
}

Proposal ReversibleSgd::rewind_velocity(const Gradients& gradients) const {
  check_phase(true);
  Proposal proposal = start(Reason::kRestore, steps() - 1, false);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const std::string& name = target_->entries()[i].name;
    const auto g = to_units(gradient_of(gradients, i).value, "the gradient of " + name);
    Integers x = load(i);
    if (steps() % interval_ == 0) pop_word(proposal, name, x);
    for (std::size_t k = 0; k < g.size(); ++k) {
      const Lossless before = unmultiply({x.v[k] - g[k], x.lost[k]}, config_.momentum);
      x.v[k] = before.value;
      x.lost[k] = before.lost;
    }
    store(proposal, i, x, false);
  }
  return proposal;
}

std::uint64_t ReversibleSgd::lost_bits() const {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const Integers values = load(i);
    bits += 32 * pushes(steps()) * values.lost.size();
    for (const std::uint64_t lost : values.lost) {
      bits += static_cast<std::uint64_t>(std::bit_width(lost));
    }
  }
  return bits;
}

}  // namespace palinode::optim
