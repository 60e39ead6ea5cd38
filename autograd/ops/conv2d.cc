// y = x * weight + bias, the two-dimensional cross-correlation, channels last: x [n, h, w, c_in],
// weight [kh, kw, c_in, c_out], bias [c_out], y [n, h_out, w_out, c_out].
//   gradient   dweight and dx as in tensor/kernels/conv.h, dbias = sum of dy over positions
//   order      docs/arithmetic.md, section 2, convolution
#include "autograd/op_linalg.h"
#include "autograd/ops.h"
#include "tensor/kernels/conv.h"

namespace palinode {
namespace {

kernels::ConvAxis axis_of(const Shape& x, const Shape& weight, std::size_t axis,
                          const ConvSteps& steps) {
  return {x[axis + 1], weight[axis], steps.stride[axis], steps.padding[axis], steps.dilation[axis]};
}

kernels::ConvShape shape_of(std::span<const Tensor> in, const ConvSteps& steps) {
  const Shape &x = in[0].shape(), &weight = in[1].shape();
  return {x[0], x[3], weight[3], axis_of(x, weight, 0, steps), axis_of(x, weight, 1, steps)};
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("conv2d", in);
  const Shape &x = in[0].shape(), &weight = in[1].shape(), &bias = in[2].shape();
  if (x.rank() != 4 || weight.rank() != 4 || bias.rank() != 1) {
    throw_shapes("conv2d", "needs x [n, h, w, c_in], weight [kh, kw, c_in, c_out], bias [c_out]",
                 in);
  }
  if (x[3] != weight[2] || weight[3] != bias[0]) throw_shapes("conv2d", "channels differ", in);
  const kernels::ConvShape s = shape_of(in, attrs.steps);
  return with_float(in[0].dtype(), "conv2d", [&]<class T>() {
    return filled<T>({s.n, s.h.out(), s.w.out(), s.c_out}, [&](std::span<T> y) {
      kernels::conv2d<T>(s, in[0].compact().values<T>(), in[1].compact().values<T>(),
                         in[2].compact().values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor x = saved.inputs[0].compact(), weight = saved.inputs[1].compact(), g = dy.compact();
  const kernels::ConvShape s = shape_of(saved.inputs, saved.attrs.steps);
  return with_float(dy.dtype(), "conv2d", [&]<class T>() -> Parts {
    Parts gradients(3);
    if (saved.needed[0]) {
      gradients[0] = filled<T>(x.shape(), [&](std::span<T> dx) {
        kernels::conv2d_input_grad<T>(s, g.values<T>(), weight.values<T>(), dx);
      });
    }
    if (saved.needed[1]) {
      gradients[1] = filled<T>(weight.shape(), [&](std::span<T> dweight) {
        kernels::conv2d_weight_grad<T>(s, x.values<T>(), g.values<T>(), dweight);
      });
    }
    if (saved.needed[2]) gradients[2] = column_sums(g.reshape({s.rows(), s.c_out}));
    return gradients;
  });
}

Sample sample(const Rng& rng) {
  const auto below = [&](std::uint64_t draw, std::uint64_t n) {
    return static_cast<std::size_t>(rng.stream("steps").below(draw, n));
  };
  const ConvSteps steps = {.stride = {1 + below(0, 3), 1 + below(1, 3)},
                           .padding = {below(2, 3), below(3, 3)},
                           .dilation = {1 + below(4, 2), 1 + below(5, 2)}};
  const std::array<std::size_t, 2> kernel = {1 + below(6, 3), 1 + below(7, 3)};
  std::array<std::size_t, 2> in{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    in[axis] = steps.dilation[axis] * (kernel[axis] - 1) + 1 + below(8 + axis, 3);
  }
  const std::size_t n = 1 + below(10, 2), c_in = 1 + below(11, 3), c_out = 1 + below(12, 3);
  return {{rng.stream("x").normal({n, in[0], in[1], c_in}, Dtype::kF64),
           rng.stream("weight").normal({kernel[0], kernel[1], c_in, c_out}, Dtype::kF64),
           rng.stream("bias").normal({c_out}, Dtype::kF64)},
          {.steps = steps}};
}

}  // namespace

namespace ops {
extern const OpSpec conv2d = {"conv2d", 3, forward, backward, sample};
}

Var conv2d(Var x, Var weight, Var bias, const ConvSteps& steps) {
  return x.tape().apply(ops::conv2d, {{x, weight, bias}}, {.steps = steps});
}

}  // namespace palinode
