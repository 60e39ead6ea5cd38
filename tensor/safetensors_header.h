// The header of a safetensors file (safetensors.h), as read and checked.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace palinode {

constexpr std::size_t kMaxSafetensorsHeader = std::size_t{1} << 22;  // bytes
constexpr std::string_view kSafetensorsMetadata = "__metadata__";    // no name of a tensor

struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  std::size_t begin = 0, end = 0;  // of its values, in bytes from the first byte after the header
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> entries;  // as in the header
  std::size_t data_begin = 0;             // where the header ends, from the start of the file
};

std::string_view safetensors_dtype(Dtype dtype);  // "F32", ...
// As a JSON string. Bytes that are not UTF-8 become U+FFFD.
std::string quoted(std::string_view text);

// Reads and checks the header of a file whose first bytes are `head`, of `file_size` bytes in all.
// Throws FormatError, whose message begins with "safetensors: <path>: ".
SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view head,
                                           std::size_t file_size);

}  // namespace palinode
