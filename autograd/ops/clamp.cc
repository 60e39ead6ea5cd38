// y = x < low ? low : x > high ? high : x, element by element; a NaN stays.
//   gradient   dx = dy where low <= x <= high, +0 elsewhere
#include <algorithm>

#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("clamp", in);
  const Tensor x = in[0].compact();
  return with_float(x.dtype(), "clamp", [&]<class T>() {
    const T low = static_cast<T>(attrs.low), high = static_cast<T>(attrs.high);
    return filled<T>(x.shape(), [&](std::span<T> y) {
      std::ranges::transform(x.values<T>(), y.begin(), [=](T value) {
        return value < low ? low : value > high ? high : value;
      });
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor x = saved.inputs[0].compact(), g = dy.compact();
  return {with_float(dy.dtype(), "clamp", [&]<class T>() {
    const T low = static_cast<T>(saved.attrs.low), high = static_cast<T>(saved.attrs.high);
    return filled<T>(x.shape(), [&](std::span<T> dx) {
      std::ranges::transform(x.values<T>(), g.values<T>(), dx.begin(),
                             [=](T value, T u) { return value < low || value > high ? T{0} : u; });
    });
  })};
}

Sample sample(const Rng& rng) {
  return {{rng.normal(random_any_shape(rng), Dtype::kF64)}, {.low = -0.5, .high = 0.75}};
}

}  // namespace

namespace ops {
extern const OpSpec clamp = {"clamp", 1, forward, backward, sample};
}

Var clamp(Var x, double low, double high) {
  return x.tape().apply(ops::clamp, {{x}}, {.low = low, .high = high});
}

}  // namespace palinode
