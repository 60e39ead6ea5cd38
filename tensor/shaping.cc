#include "tensor/shaping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tensor/error.h"
#include "tensor/inline_vector.h"
#include "tensor/strided.h"

namespace palinode {
namespace {

using Extents = InlineVector<std::size_t, Shape::kMaxRank>;

Shape shape_of(const Extents& extents) {
  return Shape(std::span<const std::size_t>(extents.data(), extents.size()));
}

// The shape of x with another extent in one axis.
Shape resized(const Tensor& x, std::size_t axis, std::size_t extent) {
  Extents extents;
  for (const std::size_t old : x.shape().extents()) extents.push_back(old);
  extents[axis] = extent;
  return shape_of(extents);
}

void check_axis(const char* op, const Tensor& x, std::size_t axis) {
  if (axis < x.shape().rank()) return;
  throw ShapeError(fmt::format("{}: {} has no axis {}", op, x.describe(), axis));
}

void check_i32(const char* op, const char* what, const Tensor& x) {
  if (x.dtype() == Dtype::kI32) return;
  throw DtypeError(fmt::format("{}: the {} is i32, got {}", op, what, x.describe()));
}

// "[1, 2]" for element i, in row-major order.
std::string place_of(const Shape& shape, std::size_t i) {
  Extents place(shape.rank());
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    place[axis] = i % shape[axis];
    i /= shape[axis];
  }
  return fmt::format("[{}]", fmt::join(place, ", "));
}

// The values of a compact index, each inside [0, count).
std::span<const std::int32_t> checked(const char* op, const Tensor& index, std::size_t count) {
  const std::span<const std::int32_t> values = index.values<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && static_cast<std::size_t>(values[i]) < count) continue;
    throw ShapeError(fmt::format("{}: index{} is {}, not in [0, {})", op,
                                 place_of(index.shape(), i), values[i], count));
  }
  return values;
}

// Copies a tensor into a row-major array of other extents, beginning at element `begin`.
template <class T>
void put(const Tensor& part, std::span<T> whole, const Shape& shape, std::size_t begin) {
  if (part.empty()) return;
  CopyAxes axes;
  std::size_t stride = shape.elements();
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    stride /= shape[axis];
    add_axis(axes, {part.shape()[axis], part.stride(axis), stride});
  }
  copy_strided(axes, sizeof(T), std::as_bytes(part.extent<T>()).data(),
               std::as_writable_bytes(whole.subspan(begin)).data());
}

template <class T>
T element(const char* op, double value) {
  if constexpr (std::is_same_v<T, std::int32_t>) {
    if (!(value >= -0x1p31 && value < 0x1p31) ||
        static_cast<double>(static_cast<std::int32_t>(value)) != value) {
      throw DtypeError(fmt::format("{}: i32 cannot hold {}", op, value));
    }
    return static_cast<std::int32_t>(value);
  } else {
    return Tensor::scalar(value, dtype_of<T>()).template extent<T>()[0];
  }
}

}  // namespace

Shape broadcast_shapes(std::string_view op, const Tensor& a, const Tensor& b) {
  const Shape &x = a.shape(), &y = b.shape();
  Extents extents(std::max(x.rank(), y.rank()));
  const std::size_t rank = extents.size();
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const auto at = [&](const Shape& shape) {
      const std::size_t added = rank - shape.rank();
      return axis < added ? 1 : shape[axis - added];
    };
    const std::size_t m = at(x), n = at(y);
    if (m != n && m != 1 && n != 1) {
      throw ShapeError(fmt::format("{}: cannot broadcast {} with {}: axis {}{} is {} and {}", op,
                                   a.describe(), b.describe(), axis,
                                   x.rank() == y.rank() ? "" : " of the result", m, n));
    }
    extents[axis] = m == 1 ? n : m;
  }
  return shape_of(extents);
}

Tensor concat(std::span<const Tensor> parts, std::size_t axis) {
  if (parts.empty()) throw ShapeError("concat: nothing to join");
  const Tensor& first = parts.front();
  check_axis("concat", first, axis);
  std::size_t extent = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Tensor& part = parts[i];
    const bool fits = part.dtype() == first.dtype() && part.shape().rank() > axis &&
                      resized(part, axis, 0) == resized(first, axis, 0);
    if (!fits) {
      throw ShapeError(
          fmt::format("concat: part {} is {}, which does not continue {} along axis {}", i,
                      part.describe(), first.describe(), axis));
    }
    extent += part.shape()[axis];
  }
  const Shape shape = resized(first, axis, extent);
  TensorBuilder builder(shape, first.dtype());
  with_element(first.dtype(), [&]<class T>() {
    std::size_t inner = 1, begin = 0;
    for (std::size_t i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    for (const Tensor& part : parts) {
      put<T>(part, builder.values<T>(), shape, begin);
      begin += part.shape()[axis] * inner;
    }
  });
  return std::move(builder).build();
}

Tensor stack(std::span<const Tensor> parts, std::size_t axis) {
  if (parts.empty()) throw ShapeError("stack: nothing to join");
  PoolVector<Tensor> places;
  places.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].dtype() != parts[0].dtype() || parts[i].shape() != parts[0].shape()) {
      throw ShapeError(fmt::format("stack: part {} is {}, part 0 is {}", i, parts[i].describe(),
                                   parts[0].describe()));
    }
    places.push_back(parts[i].unsqueeze(axis));
  }
  return concat(places, axis);
}

Tensor concat(std::initializer_list<Tensor> parts, std::size_t axis) {
  return concat(std::span(parts.begin(), parts.size()), axis);
}

Tensor stack(std::initializer_list<Tensor> parts, std::size_t axis) {
  return stack(std::span(parts.begin(), parts.size()), axis);
}

Tensor gather(const Tensor& x, std::size_t axis, const Tensor& index) {
  check_axis("gather", x, axis);
  check_i32("gather", "index", index);
  const Shape& shape = index.shape();
  bool fits = shape.rank() == x.shape().rank();
  for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
    fits = i == axis || shape[i] <= x.shape()[i];
  }
  if (!fits) {
    throw ShapeError(fmt::format("gather: index {} does not fit into {} beside axis {}",
                                 index.describe(), x.describe(), axis));
  }
  const Tensor places = index.compact();
  const std::span<const std::int32_t> place = checked("gather", places, x.shape()[axis]);
  TensorBuilder builder(shape, x.dtype());
  with_element(x.dtype(), [&]<class T>() {
    const std::span<const T> from = x.extent<T>();
    const std::span<T> to = builder.values<T>();
    Extents position(shape.rank());
    std::size_t offset = 0;  // of the position, its place along `axis` taken as 0
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = from[offset + static_cast<std::size_t>(place[i]) * x.stride(axis)];
      for (std::size_t j = shape.rank(); j-- > 0;) {
        const std::size_t stride = j == axis ? 0 : x.stride(j);
        offset += stride;
        if (++position[j] < shape[j]) break;
        offset -= stride * shape[j];
        position[j] = 0;
      }
    }
  });
  return std::move(builder).build();
}

Tensor take(const Tensor& x, const Tensor& index, std::size_t axis) {
  check_axis("take", x, axis);
  check_i32("take", "index", index);
  if (index.shape().rank() != 1) {
    throw ShapeError(fmt::format("take: the index has one axis, got {}", index.describe()));
  }
  const Tensor source = x.compact(), places = index.compact();
  const std::size_t extent = x.shape()[axis];
  const std::span<const std::int32_t> place = checked("take", places, extent);
  TensorBuilder builder(resized(x, axis, place.size()), x.dtype());
  with_element(x.dtype(), [&]<class T>() {
    const std::span<T> to = builder.values<T>();
    if (to.empty()) return;
    const std::span<const T> from = source.values<T>();
    const std::size_t inner = source.stride(axis), outer = from.size() / (extent * inner);
    for (std::size_t i = 0; i < outer; ++i) {
      for (std::size_t j = 0; j < place.size(); ++j) {
        std::memcpy(to.data() + (i * place.size() + j) * inner,
                    from.data() + (i * extent + static_cast<std::size_t>(place[j])) * inner,
                    inner * sizeof(T));
      }
    }
  });
  return std::move(builder).build();
}

Tensor one_hot(const Tensor& index, std::size_t classes, Dtype dtype) {
  check_i32("one_hot", "index", index);
  const Tensor places = index.compact();
  const std::span<const std::int32_t> place = checked("one_hot", places, classes);
  Extents extents;
  for (const std::size_t extent : index.shape().extents()) extents.push_back(extent);
  if (extents.size() == Shape::kMaxRank) {
    throw ShapeError(fmt::format("one_hot: {} has no room for another axis", index.describe()));
  }
  extents.push_back(classes);
  TensorBuilder builder(shape_of(extents), dtype);
  with_element(dtype, [&]<class T>() {
    const std::span<T> out = builder.values<T>();
    std::ranges::fill(out, T{});
    const T one = element<T>("one_hot", 1);
    for (std::size_t i = 0; i < place.size(); ++i) {
      out[i * classes + static_cast<std::size_t>(place[i])] = one;
    }
  });
  return std::move(builder).build();
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  check_i32("masked_fill", "mask", mask);
  if (broadcast_shapes("masked_fill", x, mask) != x.shape()) {
    throw ShapeError(
        fmt::format("masked_fill: mask {} is larger than {}", mask.describe(), x.describe()));
  }
  const Tensor source = x.compact(), chosen = mask.broadcast_to(x.shape()).compact();
  TensorBuilder builder(x.shape(), x.dtype());
  with_element(x.dtype(), [&]<class T>() {
    const T filler = element<T>("masked_fill", value);
    const std::span<const std::int32_t> fills = chosen.values<std::int32_t>();
    std::ranges::transform(
        source.values<T>(), fills, builder.values<T>().begin(),
        [filler](T kept, std::int32_t fill) { return fill != 0 ? filler : kept; });
  });
  return std::move(builder).build();
}

Tensor arange(std::int32_t begin, std::int32_t end, std::int32_t step) {
  if (step == 0) throw ShapeError("arange: a step of 0");
  const std::int64_t distance = std::int64_t{end} - begin, stride = step;
  const std::int64_t count = distance == 0 || (distance > 0) != (stride > 0)
                                 ? 0
                                 : (distance - (stride > 0 ? 1 : -1)) / stride + 1;
  TensorBuilder builder({static_cast<std::size_t>(count)}, Dtype::kI32);
  std::int64_t next = begin;
  for (std::int32_t& value : builder.values<std::int32_t>()) {
    value = static_cast<std::int32_t>(next);
    next += stride;
  }
  return std::move(builder).build();
}

Tensor arange(std::int32_t end) { return arange(0, end); }

}  // namespace palinode
