// y[..., j, i] = x[..., i, j]: the last two axes change places. A view: nothing is copied.
//   gradient   dx = dy, transposed
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("transpose", in);
  return in[0].transpose();
}

Parts backward(const Saved&, const Tensor& dy) { return {dy.transpose()}; }

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec transpose = {"transpose", 1, forward, backward, sample};
}

Var transpose(Var x) { return x.tape().apply(ops::transpose, {{x}}); }

}  // namespace palinode
