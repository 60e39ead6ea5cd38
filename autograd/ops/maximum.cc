// y = the larger of a and b, element by element; the operands broadcast. A NaN stays.
//   gradient   dy for the one that was taken, a where they are equal, and +0 for the other; each
//              summed over the axes along which it was repeated
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  return broadcast("maximum", kernels::Binary::kMaximum, in);
}

// Where b is taken.
template <class T>
bool takes_b(T a, T b) {
  return b > a || b != b;
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor a = saved.inputs[0].broadcast_to(dy.shape()).compact();
  const Tensor b = saved.inputs[1].broadcast_to(dy.shape()).compact();
  const Tensor g = dy.compact();
  return with_float(dy.dtype(), "maximum", [&]<class T>() {
    Parts gradients(2);
    for (std::size_t k = 0; k < 2; ++k) {
      if (!saved.needed[k]) continue;
      const Tensor part = filled<T>(dy.shape(), [&](std::span<T> out) {
        const std::span<const T> x = a.values<T>(), z = b.values<T>(), u = g.values<T>();
        for (std::size_t i = 0; i < out.size(); ++i) {
          out[i] = takes_b(x[i], z[i]) == (k == 1) ? u[i] : T{0};
        }
      });
      gradients[k] = sum_to(part, saved.inputs[k].shape());
    }
    return gradients;
  });
}

Sample sample(const Rng& rng) { return {random_broadcasting(rng, 2), {}}; }

}  // namespace

namespace ops {
extern const OpSpec maximum = {"maximum", 2, forward, backward, sample};
}

Var maximum(Var a, Var b) { return a.tape().apply(ops::maximum, {{a, b}}); }

}  // namespace palinode
