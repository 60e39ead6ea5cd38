// safetensors files: named tensors and string metadata.
//
//   header length   u64, little-endian
//   header          JSON: {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F32",
//                   "shape": [64, 10], "data_offsets": [begin, end]}, ...}, padded with spaces
//   data            the values of every tensor, row-major, little-endian; offsets count from here
//
// Source: the format's specification, https://github.com/huggingface/safetensors (README,
// "Format").
//
// The reader is stricter than that page where it leaves a choice. It refuses headers above 4 MiB;
// a name that is repeated at any level, empty, longer than 1,024 bytes or with control characters;
// a field it does not know; element types other than F32, F64, I32, BF16 and F16; and data that the
// tensors do not cover from the first byte to the last without hole or overlap.
//
// The writer gives the same bytes for the same content: metadata and tensors in the byte order of
// their names, the header padded to a multiple of 8 bytes, the data of the widest element type
// first and otherwise in the order of names, so that every value lies at a multiple of its size.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace palinode {

struct Named {
  std::string name;
  Tensor value;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<Named> tensors;  // in the order of the header

  // Throws NameError for an unknown name.
  const Tensor& at(std::string_view name) const;
};

// Throw FormatError naming the file and the place for anything that the format does not allow; the
// second reads a file that is in memory, of this name in messages.
SafetensorsFile read_safetensors(const std::string& path);
SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name);

// Replaces the file, whole or not at all (tensor/file.h). Values are written with their bits as
// they are, those of a NaN too. Throws FormatError, and writes nothing, if the reader would refuse
// the file; EnvironmentError if it cannot be written. The second gives the bytes of the file.
void write_safetensors(const std::string& path, const SafetensorsFile& content);
std::string safetensors_bytes(const SafetensorsFile& content, const std::string& name);

}  // namespace palinode
