// y = sqrt(x), element by element, correctly rounded.
//   gradient   dx = dy / (y + y)
#include <algorithm>
#include <cmath>

#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("sqrt", in);
  const Tensor x = in[0].compact();
  return with_float(x.dtype(), "sqrt", [&]<class T>() {
    return filled<T>(x.shape(), [&](std::span<T> y) {
      std::ranges::transform(x.values<T>(), y.begin(), [](T value) { return std::sqrt(value); });
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor g = dy.compact();
  return {with_float(dy.dtype(), "sqrt", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      std::ranges::transform(g.values<T>(), saved.output.values<T>(), dx.begin(),
                             [](T u, T y) { return u / (y + y); });
    });
  })};
}

Sample sample(const Rng& rng) {
  return {{rng.uniform(random_any_shape(rng), Dtype::kF64, 0.2, 3.0)}, {}};
}

}  // namespace

namespace ops {
extern const OpSpec sqrt = {"sqrt", 1, forward, backward, sample};
}

Var sqrt(Var x) { return x.tape().apply(ops::sqrt, {{x}}); }

}  // namespace palinode
