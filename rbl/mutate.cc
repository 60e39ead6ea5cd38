#include "rbl/mutate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "autograd/op_spec.h"
#include "tensor/error.h"
#include "tensor/kernels/update.h"

namespace palinode::rbl {
namespace {

Proposal with_noise(const Store& store, double alpha, const Rng& rng, Reason reason,
                    Storage storage) {
  Proposal proposal{.reason = reason, .proposer = "noise", .seed = rng.seed()};
  for (const Entry& entry : store.entries()) {
    const Tensor z = rng.stream(entry.name).normal(entry.value.shape(), entry.value.dtype());
    const Tensor value = with_float(entry.value.dtype(), "noise", [&]<class T>() {
      return filled<T>(entry.value.shape(), [&](std::span<T> out) {
        kernels::axpy<T>(static_cast<T>(alpha), z.values<T>(), entry.value.values<T>(), out);
      });
    });
    proposal.writes.push_back({&store, entry.name, stored(value, storage)});
  }
  return proposal;
}

// Which elements of some parameters die, those of one after those of another.
using Mask = std::vector<bool>;

std::size_t count_of(double fraction, std::size_t n) {
  return static_cast<std::size_t>(std::nearbyint(fraction * static_cast<double>(n)));
}

Mask first(std::size_t count, std::span<const std::uint32_t> order) {
  Mask dies(order.size());
  for (std::size_t i = 0; i < count; ++i) dies[order[i]] = true;
  return dies;
}

Mask smallest(std::span<const double> magnitudes, double fraction) {
  std::vector<std::uint32_t> order(magnitudes.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return magnitudes[i]; });
  return first(count_of(fraction, order.size()), order);
}

std::vector<double> magnitudes_of(std::span<const Entry> entries) {
  std::vector<double> magnitudes;
  for (const Entry& entry : entries) {
    with_float(entry.value.dtype(), "prune", [&]<class T>() {
      for (const T x : entry.value.values<T>()) {
        const auto size = std::abs(static_cast<double>(x));
        magnitudes.push_back(size == size ? size : std::numeric_limits<double>::infinity());
      }
    });
  }
  return magnitudes;
}

Mask choose(const Store& store, PruneRule rule, double fraction, const Rng& rng) {
  if (rule == PruneRule::kRandom) {
    const std::size_t n = store.elements();
    return first(count_of(fraction, n), rng.stream("prune").permutation(n));
  }
  if (rule == PruneRule::kGlobal) return smallest(magnitudes_of(store.entries()), fraction);
  Mask dies;
  for (const Entry& entry : store.entries()) {
    const Mask own = smallest(magnitudes_of({&entry, 1}), fraction);
    dies.insert(dies.end(), own.begin(), own.end());
  }
  return dies;
}

}  // namespace

Proposal noise(const Store& store, double alpha, const Rng& rng, Storage storage) {
  return with_noise(store, alpha, rng, Reason::kNoise, storage);
}

Proposal subtract_noise(const Store& store, double alpha, const Rng& rng, Storage storage) {
  return with_noise(store, -alpha, rng, Reason::kSubtract, storage);
}

Proposal prune(const Store& store, PruneRule rule, double fraction, const Rng& rng) {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw Error(fmt::format("prune: the fraction is between 0 and 1, got {}", fraction));
  }
  const Mask dies = choose(store, rule, fraction, rng);
  Proposal proposal{.reason = Reason::kPrune, .proposer = "prune"};
  if (rule == PruneRule::kRandom) proposal.seed = rng.seed();
  std::size_t offset = 0;
  for (const Entry& entry : store.entries()) {
    bool changes = false;
    const Tensor value = with_float(entry.value.dtype(), "prune", [&]<class T>() {
      return filled<T>(entry.value.shape(), [&](std::span<T> out) {
        const std::span<const T> old = entry.value.values<T>();
        for (std::size_t i = 0; i < out.size(); ++i) {
          out[i] = dies[offset + i] ? T{0} : old[i];
          changes = changes || dies[offset + i];
        }
      });
    });
    offset += entry.value.elements();
    if (changes) proposal.writes.push_back({&store, entry.name, value});
  }
  return proposal;
}

Proposal quantize(const Store& store, Storage storage) {
  Proposal proposal{.reason = Reason::kQuantize, .proposer = "quantize"};
  for (const Entry& entry : store.entries()) {
    proposal.writes.push_back({&store, entry.name, stored(entry.value, storage)});
  }
  return proposal;
}

}  // namespace palinode::rbl
