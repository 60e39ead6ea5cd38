// y = a b for a [m, k] and b [k, n].
//   gradient   da = dy b^T, db = a^T dy
//   order      docs/arithmetic.md, section 2: fma over k ascending, blocks of 256
#include "autograd/op_linalg.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&) {
  require_same_dtype("matmul", in);
  if (in[0].shape().rank() != 2 || in[1].shape().rank() != 2) {
    throw_shapes("matmul", "needs two matrices", in);
  }
  if (in[0].shape()[1] != in[1].shape()[0]) throw_shapes("matmul", "inner sizes differ", in);
  return product(in[0], in[1]);
}

std::vector<Tensor> backward(const Saved& saved, const Tensor& dy) {
  return {saved.needed[0] ? product(dy, saved.inputs[1].transpose()) : Tensor(),
          saved.needed[1] ? product(saved.inputs[0].transpose(), dy) : Tensor()};
}

Sample sample(const Rng& rng) {
  const std::size_t m = random_extent(rng, 0), k = random_extent(rng, 1), n = random_extent(rng, 2);
  return {
      {rng.stream("a").normal({m, k}, Dtype::kF64), rng.stream("b").normal({k, n}, Dtype::kF64)},
      {}};
}

}  // namespace

namespace ops {
extern const OpSpec matmul = {"matmul", 2, forward, backward, sample};
}

Var matmul(Var a, Var b) { return a.tape().apply(ops::matmul, {{a, b}}); }

}  // namespace palinode
