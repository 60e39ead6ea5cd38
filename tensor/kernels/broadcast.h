// Arithmetic of two operands that may be repeated along some axes (docs/arithmetic.md, section 5),
// without writing the repetitions down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/inline_vector.h"
#include "tensor/shape.h"

namespace palinode::kernels {

// a + b, a - b, a * b, a / b; the smaller and the larger: b < a or b is NaN ? b : a, and b > a or b
// is NaN ? b : a, so that a NaN stays and a is taken at ties.
enum class Binary : std::uint8_t { kAdd, kSub, kMul, kDiv, kMinimum, kMaximum };

// An axis of the result: its extent, and how far apart neighbours are in each operand, 0 where it
// is repeated.
struct BroadcastAxis {
  std::size_t extent = 1;
  std::size_t a = 0;
  std::size_t b = 0;
};

// Axes outermost first; in the last one each operand has step 0 or 1. None is one element.
using BroadcastAxes = InlineVector<BroadcastAxis, Shape::kMaxRank>;

// out, row-major and disjoint from both, of the extents of `axes`; a and b begin at their first
// element and reach as far as `axes` asks. T is float or double. Threads share the rows.
template <class T>
void broadcast(Binary op, const BroadcastAxes& axes, std::span<const T> a, std::span<const T> b,
               std::span<T> out);

}  // namespace palinode::kernels
