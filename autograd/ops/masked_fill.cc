// y = value where the i32 mask, broadcast to x, is not 0, and x elsewhere.
//   gradient   dx = +0 where the mask is not 0, and dy elsewhere
#include "autograd/ops.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("masked_fill", in);
  return masked_fill(in[0], attrs.mask, attrs.low);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {masked_fill(dy, saved.attrs.mask, 0)};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_any_shape(rng);
  const Shape mask = rng.word(0) % 2 == 0 || shape.rank() == 0 ? shape : Shape{shape.last()};
  const Tensor chosen = filled<std::int32_t>(mask, [&](std::span<std::int32_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::int32_t>(rng.stream("mask").below(i, 2));
    }
  });
  return {{rng.normal(shape, Dtype::kF64)}, {.mask = chosen, .low = -2.5}};
}

}  // namespace

namespace ops {
extern const OpSpec masked_fill = {"masked_fill", 1, forward, backward, sample};
}

Var masked_fill(Var x, const Tensor& mask, double value) {
  return x.tape().apply(ops::masked_fill, {{x}}, {.mask = mask, .low = value});
}

}  // namespace palinode
