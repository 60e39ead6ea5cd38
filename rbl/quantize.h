// Narrower storage of weights, emulated: what a value is after it was stored in fewer bits.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace palinode::rbl {

enum class Storage : std::uint8_t {
  kFull,  // the type of the values themselves: nothing is lost
  kBf16,  // rounded once, to nearest even (tensor/kernels/convert.h)
  kF16,
  kInt8,  // whole multiples of (the largest magnitude of the row / 127), to nearest even; a row is
          // what the last axis holds, and its scale is kept as f32
};

std::string_view storage_name(Storage storage);  // "full", "bf16", "f16", "int8"

// A tensor as it is stored, and its way back. Throws NonFiniteError for int8 of a value that is
// not finite.
class Packed {
 public:
  Packed(const Tensor& value, Storage storage);
  Tensor unpack() const;  // of the type and shape it was made from
  std::uint64_t bytes() const;

 private:
  Storage storage_;
  Dtype dtype_;
  Shape shape_;
  Tensor narrow_;  // but for int8
  std::vector<std::int8_t> levels_;
  std::vector<float> scales_;
};

// What is left of a value after a round trip through the storage.
Tensor stored(const Tensor& value, Storage storage);

}  // namespace palinode::rbl
