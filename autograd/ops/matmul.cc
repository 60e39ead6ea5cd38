// y = a b for a [m, k] and b [k, n], or for each of a batch: a [batch, m, k] and b [batch, k, n].
//   gradient   da = dy b^T, db = a^T dy
//   order      docs/arithmetic.md, section 2: fma over k ascending, blocks of 256
#include "autograd/op_linalg.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("matmul", in);
  const Shape &a = in[0].shape(), &b = in[1].shape();
  if (a.rank() != b.rank() || (a.rank() != 2 && a.rank() != 3)) {
    throw_shapes("matmul", "needs two matrices or two batches of them", in);
  }
  if (a.rank() == 3 && a[0] != b[0]) throw_shapes("matmul", "batches differ", in);
  if (a.last() != b[b.rank() - 2]) throw_shapes("matmul", "inner sizes differ", in);
  return product(in[0], in[1]);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {saved.needed[0] ? product(dy, saved.inputs[1].transpose()) : Tensor(),
          saved.needed[1] ? product(saved.inputs[0].transpose(), dy) : Tensor()};
}

Sample sample(const Rng& rng) {
  const std::size_t m = random_extent(rng, 0), k = random_extent(rng, 1), n = random_extent(rng, 2);
  const std::size_t batch = random_extent(rng, 3);
  const bool batched = rng.word(0) % 2 == 0;
  const Shape a = batched ? Shape{batch, m, k} : Shape{m, k};
  const Shape b = batched ? Shape{batch, k, n} : Shape{k, n};
  return {{rng.stream("a").normal(a, Dtype::kF64), rng.stream("b").normal(b, Dtype::kF64)}, {}};
}

}  // namespace

namespace ops {
extern const OpSpec matmul = {"matmul", 2, forward, backward, sample};
}

Var matmul(Var a, Var b) { return a.tape().apply(ops::matmul, {{a, b}}); }

}  // namespace palinode
