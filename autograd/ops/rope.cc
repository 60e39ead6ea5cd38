// Rotary positions: in the first heads * head_dim columns of x [sequences * time, columns] the
// values of every head are turned, two by two, by an angle for each position and pair.
//   gradient   dx is dy turned back
//   orders     docs/arithmetic.md, section 6d
//   source     Su et al., arXiv:2104.09864, equation 34
#include "tensor/kernels/rope.h"

#include <fmt/format.h>

#include "autograd/ops.h"
#include "tensor/error.h"

namespace palinode {
namespace {

kernels::RopeShape shape_of(const Tensor& x, const Attrs& attrs) {
  const RopeConfig& c = attrs.rope;
  require_same_dtype("rope", {&x, 1});
  const Shape& table = attrs.table.shape();
  if (attrs.table.dtype() != Dtype::kF64 || table.rank() != 3 || table[0] != 2) {
    throw ShapeError(fmt::format("rope: needs a table f64 [2, positions, head_dim / 2], got {}",
                                 attrs.table.describe()));
  }
  if (x.shape().rank() != 2 || c.time == 0 || x.shape()[0] % c.time != 0 ||
      x.shape()[1] < c.heads * 2 * table[2]) {
    throw ShapeError(fmt::format("rope: needs x [sequences * {}, at least {} heads of {}], got {}",
                                 c.time, c.heads, 2 * table[2], x.describe()));
  }
  if (c.time > table[1] || c.offset > table[1] - c.time) {
    throw ShapeError(fmt::format("rope: positions {} to {} are beyond a table of {}", c.offset,
                                 c.offset + c.time - 1, table[1]));
  }
  return {.rows = x.shape()[0],
          .cols = x.shape()[1],
          .time = c.time,
          .heads = c.heads,
          .head_dim = 2 * table[2],
          .interleaved = c.interleaved};
}

Tensor turned(const Tensor& x, const Attrs& attrs, bool backwards) {
  const kernels::RopeShape s = shape_of(x, attrs);
  const Tensor from = x.compact(), table = attrs.table.compact();
  return with_float(x.dtype(), "rope", [&]<class T>() {
    const std::size_t count = s.time * s.head_dim / 2;
    const std::span<const double> angles = table.values<double>();
    const auto rounded = [&](std::size_t begin) {
      PoolVector<T> out(count);
      for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<T>(angles[begin + i]);
      return out;
    };
    const std::size_t first = attrs.rope.offset * s.head_dim / 2;
    const PoolVector<T> cos = rounded(first), sin = rounded(angles.size() / 2 + first);
    return filled<T>(x.shape(), [&](std::span<T> out) {
      kernels::rope<T>(s, from.values<T>(), cos, sin, backwards, out);
    });
  });
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return turned(in[0], attrs, false);
}

Parts backward(const Saved& saved, const Tensor& dy) { return {turned(dy, saved.attrs, true)}; }

Sample sample(const Rng& rng) {
  const auto below = [&](std::uint64_t draw, std::uint64_t n) {
    return static_cast<std::size_t>(rng.stream("extents").below(draw, n));
  };
  const std::size_t time = 1 + below(0, 4), heads = 1 + below(1, 3), head_dim = 2 + 2 * below(2, 3);
  const RopeConfig config = {
      .time = time, .heads = heads, .offset = below(3, 3), .interleaved = below(4, 2) == 0};
  const Shape shape{time * (1 + below(5, 2)), heads * head_dim + below(6, 3)};
  return {{rng.normal(shape, Dtype::kF64)},
          {.table = rope_table(config.offset + time, head_dim), .rope = config}};
}

}  // namespace

namespace ops {
extern const OpSpec rope = {"rope", 1, forward, backward, sample};
}

Tensor rope_table(std::size_t positions, std::size_t head_dim, double base) {
  if (head_dim == 0 || head_dim % 2 != 0 || positions == 0 || !(base > 0 && base < 1e300)) {
    throw ShapeError(
        fmt::format("rope_table: needs positions, an even head_dim and a positive "
                    "base, got {}, {} and {}",
                    positions, head_dim, base));
  }
  return filled<double>({2, positions, head_dim / 2}, [&](std::span<double> out) {
    kernels::rope_angles(positions, head_dim, base, out.first(out.size() / 2),
                         out.last(out.size() / 2));
  });
}

Var rope(Var x, const Tensor& table, const RopeConfig& config) {
  return x.tape().apply(ops::rope, {{x}}, {.table = table, .rope = config});
}

}  // namespace palinode
