#include "experiments/data_sets/idx.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::uint32_t kImages = 0x803;
constexpr std::uint32_t kLabels = 0x801;
constexpr std::size_t kMostExamples = std::size_t{1} << 24;
constexpr std::size_t kLargestSide = 4096;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) word = word << 8 | byte_at(bytes, at + i);
  return word;
}

// Checks the magic number and the first `rank` extents; returns those.
std::array<std::size_t, 3> header(std::string_view bytes, const std::string& name,
                                  std::uint32_t magic, std::size_t rank) {
  const std::size_t header_size = 4 + 4 * rank;
  if (bytes.size() < header_size) {
    throw FormatError(fmt::format("{}: expected an IDX header of {} bytes, the file has {}", name,
                                  header_size, bytes.size()));
  }
  if (word_at(bytes, 0) != magic) {
    throw FormatError(fmt::format("{}: expected the IDX magic number {:#x}, got {:#x}", name, magic,
                                  word_at(bytes, 0)));
  }
  std::array<std::size_t, 3> extents{1, 1, 1};
  std::size_t size = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    extents[i] = word_at(bytes, 4 + 4 * i);
    const std::size_t largest = i == 0 ? kMostExamples : kLargestSide;
    if (extents[i] == 0 || extents[i] > largest) {
      throw FormatError(
          fmt::format("{}: expected extent {} from 1 to {}, got {}", name, i, largest, extents[i]));
    }
    size *= extents[i];  // at most 2^48
  }
  if (bytes.size() != header_size + size) {
    throw FormatError(fmt::format("{}: expected {} bytes after the IDX header, the file has {}",
                                  name, size, bytes.size() - header_size));
  }
  return extents;
}

constexpr std::array<float, 256> kUnit = [] {
  std::array<float, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0F;
  return table;
}();

}  // namespace

Tensor idx_images(std::string_view bytes, const std::string& name) {
  const auto [n, h, w] = header(bytes, name, kImages, 3);
  TensorBuilder images({n, h, w, 1}, Dtype::kF32);
  const std::string_view pixels = bytes.substr(16);
  const std::span<float> out = images.values<float>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kUnit[byte_at(pixels, i)];
  return std::move(images).build();
}

Tensor idx_labels(std::string_view bytes, const std::string& name, std::int32_t classes) {
  const std::size_t n = header(bytes, name, kLabels, 1)[0];
  TensorBuilder labels({n}, Dtype::kI32);
  const std::span<std::int32_t> out = labels.values<std::int32_t>();
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = byte_at(bytes, 8 + i);
    if (out[i] >= classes) {
      throw FormatError(fmt::format("{}: expected classes from 0 to {}, got {} at {}", name,
                                    classes - 1, out[i], i));
    }
  }
  return std::move(labels).build();
}

}  // namespace palinode::experiments
