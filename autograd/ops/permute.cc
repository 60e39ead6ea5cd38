// Axis i of y is axis order[i] of x. A view: nothing is copied.
//   gradient   dx = dy, its axes put back
#include <algorithm>
#include <array>

#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

using Order = std::array<std::size_t, Shape::kMaxRank>;

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("permute", in);
  return in[0].permute(std::span(attrs.order).first(in[0].shape().rank()));
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const std::size_t rank = dy.shape().rank();
  Order back{};
  for (std::size_t i = 0; i < rank; ++i) back[saved.attrs.order[i]] = i;
  return {dy.permute(std::span<const std::size_t>(back).first(rank))};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_any_shape(rng);
  const std::vector<std::uint32_t> order = rng.stream("order").permutation(shape.rank());
  Attrs attrs;
  std::ranges::copy(order, attrs.order.begin());
  return {{rng.normal(shape, Dtype::kF64)}, attrs};
}

}  // namespace

namespace ops {
extern const OpSpec permute = {"permute", 1, forward, backward, sample};
}

Var permute(Var x, std::initializer_list<std::size_t> order) {
  static_cast<void>(x.value().permute(order));  // throws unless it is an order of the axes
  Attrs attrs;
  std::ranges::copy(order, attrs.order.begin());
  return x.tape().apply(ops::permute, {{x}}, std::move(attrs));
}

Var transpose(Var x, int a, int b) {
  Attrs attrs;
  for (std::size_t i = 0; i < attrs.order.size(); ++i) attrs.order[i] = i;
  const std::size_t first = axis_of("transpose", x.value(), a);
  const std::size_t second = axis_of("transpose", x.value(), b);
  std::swap(attrs.order[first], attrs.order[second]);
  return x.tape().apply(ops::permute, {{x}}, std::move(attrs));
}

}  // namespace palinode
