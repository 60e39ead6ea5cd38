#include "rbl/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "autograd/op_spec.h"
#include "tensor/error.h"
#include "tensor/finite.h"

namespace palinode::rbl {
namespace {

constexpr double kLevels = 127;

float scale_of(std::span<const double> row) {
  double largest = 0;
  for (const double x : row) largest = std::max(largest, std::abs(x));
  return static_cast<float>(largest / kLevels);
}

std::int8_t level(double x, float scale) {
  if (scale == 0.0F) return 0;
  const double level = std::nearbyint(x / static_cast<double>(scale));
  return static_cast<std::int8_t>(std::clamp(level, -kLevels, kLevels));
}

}  // namespace

std::string_view storage_name(Storage storage) {
  constexpr std::array<std::string_view, 4> kNames = {"full", "bf16", "f16", "int8"};
  return kNames.at(static_cast<std::size_t>(storage));
}

Packed::Packed(const Tensor& value, Storage storage)
    : storage_(storage), dtype_(value.dtype()), shape_(value.shape()) {
  if (storage == Storage::kFull) narrow_ = value;
  if (storage == Storage::kBf16) narrow_ = value.to(Dtype::kBf16);
  if (storage == Storage::kF16) narrow_ = value.to(Dtype::kF16);
  if (storage != Storage::kInt8) return;
  if (const auto bad = first_not_finite(value)) {
    throw NonFiniteError(
        fmt::format("quantize: {} is not finite, first at element {}", value.describe(), *bad));
  }
  const Tensor wide = value.compact().to(Dtype::kF64);
  const std::size_t width = shape_.last();
  for (std::size_t r = 0; r < shape_.rows(); ++r) {
    const std::span<const double> row = wide.values<double>().subspan(r * width, width);
    scales_.push_back(scale_of(row));
    for (const double x : row) levels_.push_back(level(x, scales_.back()));
  }
}

Tensor Packed::unpack() const {
  if (storage_ != Storage::kInt8) return narrow_.to(dtype_);
  return with_float(dtype_, "quantize", [&]<class T>() {
    return filled<T>(shape_, [&](std::span<T> out) {
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto scale = static_cast<double>(scales_[i / shape_.last()]);
        out[i] = static_cast<T>(static_cast<double>(levels_[i]) * scale);
      }
    });
  });
}

std::uint64_t Packed::bytes() const {
  return storage_ == Storage::kInt8 ? levels_.size() + scales_.size() * sizeof(float)
                                    : narrow_.bytes();
}

Tensor stored(const Tensor& value, Storage storage) { return Packed(value, storage).unpack(); }

}  // namespace palinode::rbl
