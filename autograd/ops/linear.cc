// y = activation(x w (+ b)) for x [..., k], w [k, n] and b [n] -> [..., n]: a layer's affine map,
// bias and activation applied in the store.
//   gradient   g = dy through the activation, from y; dx = g w^T, dw = x^T g, db = sum of g over
//   rows order      docs/arithmetic.md, sections 2, 3 and 5
#include <array>

#include "autograd/op_linalg.h"
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

using kernels::Activation;

// x as a matrix; one that is a matrix stays the view it is.
Tensor as_matrix(const Tensor& x) {
  if (x.shape().rank() == 2) return x;
  return x.reshape({x.shape().rows(), x.shape().last()});
}

// The shape of the result.
Shape with_last(const Shape& shape, std::size_t n) {
  std::array<std::size_t, Shape::kMaxRank> extents{};
  for (std::size_t axis = 0; axis + 1 < shape.rank(); ++axis) extents[axis] = shape[axis];
  extents[shape.rank() - 1] = n;
  return Shape(std::span<const std::size_t>(extents.data(), shape.rank()));
}

// What is known of the derivative from y alone.
Tensor through(Activation activation, const Tensor& y, const Tensor& dy) {
  switch (activation) {
    case Activation::kRelu:
      return map("linear", {kernels::relu_grad, kernels::relu_grad, kernels::relu_grad}, y, dy,
                 Precision::kRounded);
    case Activation::kTanh:
    case Activation::kTanhFast:
      return map("linear", {kernels::tanh_grad, kernels::tanh_grad, kernels::tanh_grad}, dy, y,
                 Precision::kRounded);
    case Activation::kSigmoid:
    case Activation::kSigmoidFast:
      return map("linear", {kernels::sigmoid_grad, kernels::sigmoid_grad, kernels::sigmoid_grad},
                 dy, y, Precision::kRounded);
    default:
      return dy;
  }
}

bool has_gradient(Activation activation) {
  return activation != Activation::kGelu && activation != Activation::kGeluTanh &&
         activation != Activation::kGeluFast && activation != Activation::kGeluTanhFast;
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("linear", in);
  if (in.size() < 2 || in.size() > 3 || in[0].shape().rank() == 0 || in[1].shape().rank() != 2 ||
      (in.size() == 3 && in[2].shape().rank() != 1)) {
    throw_shapes("linear", "needs x [..., k], weight [k, n], bias [n] or none", in);
  }
  const Shape &x = in[0].shape(), &w = in[1].shape();
  if (x.last() != w[0] || (in.size() == 3 && w[1] != in[2].shape()[0])) {
    throw_shapes("linear", "sizes differ", in);
  }
  if (!has_gradient(attrs.activation)) {
    throw NameError("linear: the gradient of gelu needs more than its result; apply it apart");
  }
  const Tensor bias = in.size() == 3 ? in[2].compact() : Tensor();
  const Tensor y = product(as_matrix(in[0]), in[1], bias, attrs.activation);
  return x.rank() == 2 ? y : y.reshape(with_last(x, w[1]));
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor& w = saved.inputs[1];
  const Tensor x = as_matrix(saved.inputs[0]);
  const Tensor g = as_matrix(through(saved.attrs.activation, saved.output, dy));
  Parts gradients(saved.inputs.size());
  if (saved.needed[0]) {
    const Shape& shape = saved.inputs[0].shape();
    const Tensor dx = product(g, w.transpose());
    gradients[0] = shape.rank() == 2 ? dx : dx.reshape(shape);
  }
  if (saved.needed[1]) gradients[1] = product(x.transpose(), g);
  if (saved.inputs.size() == 3 && saved.needed[2]) gradients[2] = column_sums(g);
  return gradients;
}

Sample sample(const Rng& rng) {
  constexpr std::array kActivations = {Activation::kNone, Activation::kTanh, Activation::kSigmoid};
  const Shape x = random_any_shape(rng);
  const Shape shape = x.rank() == 0 ? Shape{3} : x;
  const std::size_t k = shape.last(), n = random_extent(rng, 1) - 1;
  Sample sample = {
      {rng.stream("x").normal(shape, Dtype::kF64), rng.stream("w").normal({k, n}, Dtype::kF64)},
      {.activation = kActivations[rng.below(1, 3)]}};
  if (rng.below(0, 2) == 0) sample.inputs.push_back(rng.stream("b").normal({n}, Dtype::kF64));
  return sample;
}

}  // namespace

namespace ops {
extern const OpSpec linear = {"linear", kVariadic, forward, backward, sample};
}

namespace {

// Without an activation, which is usual, no attributes are kept.
Var apply(std::span<const Var> operands, Activation activation) {
  Tape& tape = operands[0].tape();
  if (activation == Activation::kNone) return tape.apply(ops::linear, operands);
  return tape.apply(ops::linear, operands, {.activation = activation});
}

}  // namespace

Var linear(Var x, Var weight, Var bias, kernels::Activation activation) {
  return apply({{x, weight, bias}}, activation);
}

Var linear(Var x, Var weight, kernels::Activation activation) {
  return apply({{x, weight}}, activation);
}

}  // namespace palinode
