#include <fmt/format.h>

#include <array>
#include <string>

#include "autograd/op_spec.h"
#include "tensor/error.h"

namespace palinode {

namespace ops {
#define OP(name) extern const OpSpec name;
#include "autograd/ops.def"
#undef OP
}  // namespace ops

std::span<const OpSpec* const> op_table() {
  static constexpr std::array kTable = {
#define OP(name) &ops::name,
#include "autograd/ops.def"
#undef OP
  };
  return kTable;
}

void throw_shapes(std::string_view op, std::string_view what, std::span<const Tensor> operands) {
  std::string list;
  for (const Tensor& operand : operands) {
    list += (list.empty() ? "" : ", ") + operand.describe();
  }
  throw ShapeError(fmt::format("{}: {}: {}", op, what, list));
}

void require_same_dtype(std::string_view op, std::span<const Tensor> operands) {
  for (const Tensor& operand : operands) {
    if (!is_compute(operand.dtype())) throw_not_float(operand.dtype(), std::string(op).c_str());
    if (operand.dtype() != operands.front().dtype()) {
      throw DtypeError(fmt::format("{}: operands differ in type: {} and {}", op,
                                   operands.front().describe(), operand.describe()));
    }
  }
}

void require_same_shape(std::string_view op, std::span<const Tensor> operands) {
  require_same_dtype(op, operands);
  for (const Tensor& operand : operands) {
    if (operand.shape() != operands.front().shape()) {
      throw_shapes(op, "operands differ in shape", operands);
    }
  }
}

std::size_t random_extent(const Rng& rng, std::size_t draw) {
  return 1 + static_cast<std::size_t>(rng.stream("extent").below(draw, 7));
}

Shape random_shape(const Rng& rng) { return {random_extent(rng, 0), random_extent(rng, 1)}; }

Shape random_rows_shape(const Rng& rng) {
  const std::array extents{random_extent(rng, 0), random_extent(rng, 1), random_extent(rng, 2)};
  const auto rank = static_cast<std::size_t>(1 + rng.stream("rank").below(0, 3));
  return Shape(std::span<const std::size_t>(extents).last(rank));
}

Shape random_any_shape(const Rng& rng) {
  std::array<std::size_t, 3> extents{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto draw = static_cast<std::size_t>(rng.stream("extent").below(axis, 9));
    extents[axis] = draw == 0 ? 0 : 1 + (draw - 1) / 2;  // rarely nothing
  }
  const auto rank = static_cast<std::size_t>(rng.stream("rank").below(0, 4));
  return Shape(std::span<const std::size_t>(extents).last(rank));
}

std::vector<Tensor> random_broadcasting(const Rng& rng, std::size_t count) {
  const Shape whole = random_any_shape(rng);
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < count; ++i) {
    const Rng mine = rng.stream(i);
    std::array<std::size_t, Shape::kMaxRank> extents{};
    const auto rank =
        i == 0 ? whole.rank() : static_cast<std::size_t>(mine.below(0, whole.rank() + 1));
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const std::size_t extent = whole[whole.rank() - rank + axis];
      extents[axis] = mine.below(1 + axis, 3) == 0 ? 1 : extent;
    }
    operands.push_back(mine.stream("values").normal(
        Shape(std::span<const std::size_t>(extents.data(), rank)), Dtype::kF64));
  }
  return operands;
}

}  // namespace palinode
