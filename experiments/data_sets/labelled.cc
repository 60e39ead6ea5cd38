#include "experiments/data_sets/labelled.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

Shape with_rows(const Shape& shape, std::size_t rows) {
  std::array<std::size_t, Shape::kMaxRank> extents{};
  std::ranges::copy(shape.extents(), extents.begin());
  extents[0] = rows;
  return Shape(std::span<const std::size_t>(extents.data(), shape.rank()));
}

}  // namespace

Labelled select(const Labelled& from, std::span<const std::uint32_t> rows) {
  const std::size_t width = from.size() == 0 ? 0 : from.x.elements() / from.size();
  TensorBuilder x(with_rows(from.x.shape(), rows.size()), Dtype::kF32);
  TensorBuilder y({rows.size()}, Dtype::kI32);
  const std::span<const float> in = from.x.values<float>();
  const std::span<const std::int32_t> labels = from.y.values<std::int32_t>();
  const std::span<float> out = x.values<float>();
  const std::span<std::int32_t> out_labels = y.values<std::int32_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(in.subspan(rows[i] * width, width), out.subspan(i * width).begin());
    out_labels[i] = labels[rows[i]];
  }
  return {std::move(x).build(), std::move(y).build()};
}

Batches::Batches(Labelled from, Rng stream, std::size_t size)
    : from_(std::move(from)), stream_(std::move(stream)), size_(size) {
  if (size == 0 || size > from_.size()) {
    throw ShapeError(fmt::format("batches: expected a size from 1 to the {} examples, got {}",
                                 from_.size(), size));
  }
}

Labelled Batches::at(std::size_t step) {
  const std::size_t epoch = step / per_epoch(), place = step % per_epoch();
  if (order_.empty() || epoch != epoch_) {
    order_.resize(from_.size());
    stream_.stream(epoch).permutation(order_);
    epoch_ = epoch;
  }
  return select(from_, std::span<const std::uint32_t>(order_).subspan(place * size_, size_));
}

}  // namespace palinode::experiments
