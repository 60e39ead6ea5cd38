#include "tensor/little_endian.h"

#include <bit>
#include <cstring>
#include <span>

#include "tensor/error.h"

namespace palinode {

static_assert(std::endian::native == std::endian::little);

std::uint64_t unsigned_of(std::string_view bytes) {
  PALINODE_ASSERT(bytes.size() <= 8);
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

void append_unsigned(std::string& bytes, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

Tensor tensor_of(std::string_view bytes, const Shape& shape, Dtype dtype) {
  PALINODE_ASSERT(bytes.size() == shape.elements() * dtype_size(dtype));
  TensorBuilder builder(shape, dtype);
  with_element(dtype, [&]<class T>() {
    if (!bytes.empty()) std::memcpy(builder.values<T>().data(), bytes.data(), bytes.size());
  });
  return std::move(builder).build();
}

void append_values(std::string& bytes, const Tensor& tensor) {
  const Tensor source = tensor.compact();
  with_element(source.dtype(), [&]<class T>() {
    const auto values = std::as_bytes(source.values<T>());
    if (!values.empty()) bytes.append(reinterpret_cast<const char*>(values.data()), values.size());
  });
}

}  // namespace palinode
