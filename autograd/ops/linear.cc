// y = x w + b for x [m, k], w [k, n] and b [n]: a layer's affine map, the bias added in the store.
//   gradient   dx = dy w^T, dw = x^T dy, db = sum of dy over rows
//   order      docs/arithmetic.md, sections 2 and 3
#include "autograd/op_linalg.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("linear", in);
  const Shape &x = in[0].shape(), &w = in[1].shape(), &b = in[2].shape();
  if (x.rank() != 2 || w.rank() != 2 || b.rank() != 1) {
    throw_shapes("linear", "needs x [m, k], weight [k, n], bias [n]", in);
  }
  if (x[1] != w[0] || w[1] != b[0]) throw_shapes("linear", "sizes differ", in);
  return product(in[0], in[1], in[2]);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {saved.needed[0] ? product(dy, saved.inputs[1].transpose()) : Tensor(),
          saved.needed[1] ? product(saved.inputs[0].transpose(), dy) : Tensor(),
          saved.needed[2] ? column_sums(dy) : Tensor()};
}

Sample sample(const Rng& rng) {
  const std::size_t m = random_extent(rng, 0), k = random_extent(rng, 1), n = random_extent(rng, 2);
  return {{rng.stream("x").normal({m, k}, Dtype::kF64), rng.stream("w").normal({k, n}, Dtype::kF64),
           rng.stream("b").normal({n}, Dtype::kF64)},
          {}};
}

}  // namespace

namespace ops {
extern const OpSpec linear = {"linear", 3, forward, backward, sample};
}

Var linear(Var x, Var weight, Var bias) { return x.tape().apply(ops::linear, {{x, weight, bias}}); }

}  // namespace palinode
