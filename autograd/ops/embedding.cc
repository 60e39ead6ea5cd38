// y[i, :] = weight[ids[i], :] for weight [n, d] and i32 ids of any shape -> [ids..., d].
//   gradient   dweight starts at +0; for i ascending, dy[i, :] is added to row ids[i]
#include <fmt/format.h>

#include <algorithm>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

void check(std::span<const Tensor> in, const Tensor& ids) {
  require_same_dtype("embedding", in);
  const Shape& weight = in[0].shape();
  if (weight.rank() != 2) throw_shapes("embedding", "needs a weight [n, d]", in);
  if (ids.dtype() != Dtype::kI32) {
    throw DtypeError(fmt::format("embedding: ids are i32, got {}", ids.describe()));
  }
  const Tensor compact = ids.compact();
  for (const std::int32_t id : compact.values<std::int32_t>()) {
    if (id < 0 || static_cast<std::size_t>(id) >= weight[0]) {
      throw ShapeError(fmt::format("embedding: id {} is not in [0, {})", id, weight[0]));
    }
  }
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  const Tensor& ids = attrs.indices;
  check(in, ids);
  InlineVector<std::size_t, Shape::kMaxRank + 1> extents;
  for (const std::size_t extent : ids.shape().extents()) extents.push_back(extent);
  extents.push_back(in[0].shape()[1]);
  return take(in[0], ids.reshape({ids.elements()}))
      .reshape(Shape(std::span<const std::size_t>(extents.data(), extents.size())));
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = saved.inputs[0].shape();
  const std::size_t cols = shape[1];
  const Tensor g = dy.compact(), ids = saved.attrs.indices.compact();
  return {with_float(dy.dtype(), "embedding", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> dweight) {
      const std::span<const std::int32_t> rows = ids.values<std::int32_t>();
      const std::span<const T> from = g.values<T>();
      const auto body = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = 0; i < shape[0]; ++i) {
          std::ranges::fill(dweight.subspan(i * cols + begin, end - begin), T{0});
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const std::size_t to = static_cast<std::size_t>(rows[i]) * cols;
          for (std::size_t j = begin; j < end; ++j) {
            dweight[to + j] = dweight[to + j] + from[i * cols + j];
          }
        }
      };
      parallel_for(cols, 65536 / (rows.size() + 1) + 32, body);
    });
  })};
}

Sample sample(const Rng& rng) {
  const std::size_t n = random_extent(rng, 0), d = random_extent(rng, 1) - 1;
  const Shape shape = random_any_shape(rng.stream("ids"));
  const Tensor ids = filled<std::int32_t>(shape, [&](std::span<std::int32_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::int32_t>(rng.stream("id").below(i, n));
    }
  });
  return {{rng.stream("weight").normal({n, d}, Dtype::kF64)}, {.indices = ids}};
}

}  // namespace

namespace ops {
extern const OpSpec embedding = {"embedding", 1, forward, backward, sample};
}

Var embedding(Var weight, const Tensor& ids) {
  return weight.tape().apply(ops::embedding, {{weight}}, {.indices = ids});
}

}  // namespace palinode
