// What the arms share: the values of a store as a list, arithmetic on them, and putting them back.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "autograd/op_spec.h"
#include "autograd/tape.h"
#include "tensor/ledger.h"
#include "tensor/tensor.h"

namespace palinode::rbl {

// In the order of the store's entries. Tensors are immutable, so a handle is a copy.
using Values = std::vector<Tensor>;

Values values_of(const Store& store);
std::uint64_t bytes_of(const Values& values);
bool all_finite(const Values& values);
bool same_bits(const Values& a, const Values& b);

// f(x, y) element by element, in the type of both: one rounding for each operator of f.
template <class F>
Tensor zip(const Tensor& a, const Tensor& b, const F& f) {
  require_same_shape("rollback", {{a, b}});
  return with_float(a.dtype(), "rollback", [&]<class T>() {
    return filled<T>(a.shape(), [&](std::span<T> out) {
      const std::span<const T> x = a.values<T>(), y = b.values<T>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = f(x[i], y[i]);
    });
  });
}

template <class F>
Values zip(const Values& a, const Values& b, const F& f) {
  Values result;
  for (std::size_t i = 0; i < a.size(); ++i) result.push_back(zip(a[i], b.at(i), f));
  return result;
}

inline constexpr auto kMinus = [](auto x, auto y) { return x - y; };

// New values for all entries of a store that has them already.
Proposal replace(const Store& store, const Values& values, Reason reason,
                 std::string_view proposer);

// The gradients of a store's parameters. Throws NameError for a parameter the loss does not depend
// on.
Values gradients_of(const Gradients& gradients, const Store& store);

}  // namespace palinode::rbl
