#include "tensor/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/kernels/convert.h"
#include "tensor/storage.h"
#include "tensor/strided.h"

namespace palinode {
namespace {

void check_dtype(Dtype have, Dtype want) {
  if (have == want) return;
  throw DtypeError(fmt::format("values: the tensor holds {}, asked for as {}", dtype_name(have),
                               dtype_name(want)));
}

template <class From, class To>
void convert(std::span<const From> from, std::span<To> to) {
  if constexpr (Half<To> && std::is_floating_point_v<From>) {
    kernels::narrow(from, to);
  } else if constexpr (Half<From> && std::is_floating_point_v<To>) {
    kernels::widen(from, to);
  } else if constexpr (std::is_floating_point_v<To>) {
    std::transform(from.begin(), from.end(), to.begin(), [](From x) { return static_cast<To>(x); });
  } else {
    PALINODE_ASSERT(false);
  }
}

}  // namespace

Tensor::Tensor(std::shared_ptr<const std::byte> data, const Shape& shape, Dtype dtype)
    : data_(std::move(data)), shape_(shape), dtype_(dtype) {
  std::size_t stride = 1;
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    strides_[axis] = stride;
    stride *= shape[axis];
  }
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  if (values.size() != shape.elements()) {
    throw ShapeError(fmt::format("tensor: {} values given for shape {}, which holds {}",
                                 values.size(), shape.to_string(), shape.elements()));
  }
  TensorBuilder builder(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), builder.values<T>().begin());
  return std::move(builder).build();
}

template <class T>
Tensor Tensor::full(const Shape& shape, T value) {
  TensorBuilder builder(shape, dtype_of<T>());
  std::ranges::fill(builder.values<T>(), value);
  return std::move(builder).build();
}

Tensor Tensor::zeros(const Shape& shape, Dtype dtype) {
  return with_element(dtype, [&]<class T>() { return full<T>(shape, T{}); });
}

Tensor Tensor::scalar(double value, Dtype dtype) { return full<double>(Shape{}, value).to(dtype); }

bool Tensor::contiguous() const {
  if (empty()) return true;
  std::size_t stride = 1;
  for (std::size_t axis = shape_.rank(); axis-- > 0;) {
    if (shape_[axis] > 1 && strides_[axis] != stride) return false;
    stride *= shape_[axis];
  }
  return true;
}

template <class T>
std::span<const T> Tensor::values() const {
  check_dtype(dtype_, dtype_of<T>());
  if (!contiguous()) {
    throw ShapeError(fmt::format("values: {} is a strided view; call compact() first", describe()));
  }
  return extent<T>();
}

template <class T>
std::span<const T> Tensor::extent() const {
  check_dtype(dtype_, dtype_of<T>());
  if (empty()) return {};
  std::size_t length = 1;
  for (std::size_t axis = 0; axis < shape_.rank(); ++axis) {
    length += (shape_[axis] - 1) * strides_[axis];
  }
  return {reinterpret_cast<const T*>(data_.get()), length};
}

double Tensor::item() const {
  if (elements() != 1) {
    throw ShapeError(fmt::format("item: needs one element, got {}", describe()));
  }
  return with_element(dtype_, [&]<class T>() {
    if constexpr (Half<T>) {
      return to(Dtype::kF64).extent<double>()[0];
    } else {
      return static_cast<double>(extent<T>()[0]);
    }
  });
}

Tensor Tensor::to(Dtype dtype) const {
  if (dtype == dtype_) return *this;
  if (dtype == Dtype::kI32) throw_not_float(dtype, "to");
  // f64 holds all values of the other types, so only the last step rounds.
  if (!is_compute(dtype) && !is_compute(dtype_)) return to(Dtype::kF64).to(dtype);
  const Tensor source = compact();
  TensorBuilder builder(shape_, dtype);
  with_element(dtype_, [&]<class From>() {
    with_element(
        dtype, [&]<class To>() { convert<From, To>(source.values<From>(), builder.values<To>()); });
  });
  return std::move(builder).build();
}

Tensor Tensor::compact() const { return contiguous() ? *this : copy(); }

Tensor Tensor::copy() const {
  TensorBuilder builder(shape_, dtype_);
  if (!empty()) {
    CopyAxes axes;
    std::size_t stride = elements();
    for (std::size_t axis = 0; axis < shape_.rank(); ++axis) {
      stride /= shape_[axis];
      add_axis(axes, {shape_[axis], strides_[axis], stride});
    }
    copy_strided(axes, dtype_size(dtype_), data_.get(), builder.data_.get());
  }
  return std::move(builder).build();
}

std::string Tensor::describe() const {
  return fmt::format("{} {}", dtype_name(dtype_), shape_.to_string());
}

TensorBuilder::TensorBuilder(const Shape& shape, Dtype dtype)
    : data_(allocate(shape.elements() * dtype_size(dtype))), shape_(shape), dtype_(dtype) {}

template <class T>
std::span<T> TensorBuilder::values() {
  PALINODE_ASSERT(data_ != nullptr);
  check_dtype(dtype_, dtype_of<T>());
  return {reinterpret_cast<T*>(data_.get()), shape_.elements()};
}

Tensor TensorBuilder::build() && {
  PALINODE_ASSERT(data_ != nullptr);
  return Tensor(std::move(data_), shape_, dtype_);
}

void throw_not_float(Dtype dtype, const char* op) {
  const bool storage = dtype == Dtype::kBf16 || dtype == Dtype::kF16;
  throw DtypeError(fmt::format("{}: needs f32 or f64, got {}{}", op, dtype_name(dtype),
                               storage ? "; convert it with to()" : ""));
}

#define PALINODE_ELEMENT(T)                                       \
  template Tensor Tensor::from(std::span<const T>, const Shape&); \
  template Tensor Tensor::full(const Shape&, T);                  \
  template std::span<const T> Tensor::values() const;             \
  template std::span<const T> Tensor::extent() const;             \
  template std::span<T> TensorBuilder::values()
PALINODE_ELEMENT(float);
PALINODE_ELEMENT(double);
PALINODE_ELEMENT(std::int32_t);
PALINODE_ELEMENT(BFloat16);
PALINODE_ELEMENT(Float16);
#undef PALINODE_ELEMENT

}  // namespace palinode
