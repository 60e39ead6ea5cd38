// Numbers as whole multiples of a small unit, a power of two, which add without rounding: what the
// reversible optimizers compute in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace palinode::optim {

using Units = std::vector<std::int64_t>;

// Each value in units, to nearest. Throw Error naming `what` for one that is not below the limit,
// in units.
Units to_units(std::span<const double> values, double unit, double limit, std::string_view what);
Units to_units(const Tensor& values, double unit, double limit, std::string_view what);
void check_range(std::span<const std::int64_t> units, double unit, double limit,
                 std::string_view what);

// And back, rounded once to the type.
std::vector<double> in_reals(std::span<const std::int64_t> units, double unit);
Tensor in_tensor(std::span<const std::int64_t> units, double unit, const Shape& shape, Dtype dtype);

// Whole numbers of 64 bits as i32 [2, n]: all low words, then all high ones.
template <class Integer>
Tensor to_words(std::span<const Integer> values) {
  const std::size_t n = values.size();
  std::vector<std::int32_t> words(2 * n);
  for (std::size_t k = 0; k < n; ++k) {
    const auto bits = static_cast<std::uint64_t>(values[k]);
    words[k] = static_cast<std::int32_t>(bits & 0xffffffffU);
    words[n + k] = static_cast<std::int32_t>(bits >> 32U);
  }
  return Tensor::from<std::int32_t>(words, {2, n});
}

template <class Integer>
std::vector<Integer> from_words(const Tensor& tensor) {
  const std::span<const std::int32_t> words = tensor.values<std::int32_t>();
  const std::size_t n = words.size() / 2;
  std::vector<Integer> values;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint64_t low = static_cast<std::uint32_t>(words[k]);
    const std::uint64_t high = static_cast<std::uint32_t>(words[n + k]);
    values.push_back(static_cast<Integer>(high << 32U | low));
  }
  return values;
}

// Binds values to each other: a change of any of them, or of the step, is another seal.
Tensor seal_of(std::uint64_t step, std::span<const Tensor> values);
bool same_values(const Tensor& a, const Tensor& b);

}  // namespace palinode::optim
