// y[i] = word(first + i) < rate * 2^32 ? 0 : x[i] / (1 - rate): each element is dropped with the
// probability `rate`, by the word of its place (row-major) in a random stream.
//   gradient   the same function of dy: the mask is found again, not kept
//   arithmetic docs/arithmetic.md, sections 5 and 8
//   source     Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR 15 (2014), scaled in
//              training ("inverted")
#include "tensor/kernels/dropout.h"

#include <fmt/format.h>

#include "autograd/ops.h"
#include "tensor/error.h"

namespace palinode {
namespace {

Tensor dropped(const Tensor& x, const Attrs& attrs) {
  const auto threshold = static_cast<std::uint32_t>(attrs.rate * 0x1p32);
  return with_float(x.dtype(), "dropout", [&]<class T>() {
    const T scale = static_cast<T>(1 / (1 - attrs.rate));
    return filled<T>(x.shape(), [&](std::span<T> y) {
      kernels::dropout<T>(attrs.key, threshold, scale, x.compact().values<T>(), y, attrs.begin);
    });
  });
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("dropout", in);
  if (!(attrs.rate >= 0 && attrs.rate < 1)) {
    throw ShapeError(
        fmt::format("dropout: the rate is at least 0 and below 1, got {}", attrs.rate));
  }
  return dropped(in[0], attrs);
}

Parts backward(const Saved& saved, const Tensor& dy) { return {dropped(dy, saved.attrs)}; }

Sample sample(const Rng& rng) {
  return {{rng.normal(random_any_shape(rng), Dtype::kF64)},
          {.begin = rng.stream("first").word(0),
           .rate = rng.stream("rate").uniform(0),
           .key = rng.stream("mask").key()}};
}

}  // namespace

namespace ops {
extern const OpSpec dropout = {"dropout", 1, forward, backward, sample};
}

Var dropout(Var x, double rate, RngKey key, std::size_t first) {
  if (rate == 0) return x;
  return x.tape().apply(ops::dropout, {{x}}, {.begin = first, .rate = rate, .key = key});
}

}  // namespace palinode
