// Numbers as files hold them: row-major, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace palinode {

// The number whose bytes these are, at most 8, lowest first; and `count` bytes of a number.
std::uint64_t unsigned_of(std::string_view bytes);
void append_unsigned(std::string& bytes, std::uint64_t value, std::size_t count);

// A tensor of these values, bit for bit; `bytes` has exactly their size.
Tensor tensor_of(std::string_view bytes, const Shape& shape, Dtype dtype);
void append_values(std::string& bytes, const Tensor& tensor);

}  // namespace palinode
