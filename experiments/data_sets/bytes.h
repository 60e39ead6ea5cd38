// Bytes of data files: unpacking and checking. The files may come from strangers, so every length
// has a limit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace palinode::experiments {

// What a file must hold once it is unpacked.
struct DataFile {
  std::string_view name;
  std::size_t bytes;
  std::string_view sha256;  // 64 hexadecimal digits
};

bool is_gzip(std::string_view bytes);

// Every member of a gzip file. `name` is for messages. Throws FormatError if the stream is damaged,
// cut off, followed by something else, or unpacks to more than `largest` bytes.
std::string gunzip(std::string_view bytes, const std::string& name, std::size_t largest);

// The one frame of a zstd file. Throws FormatError likewise, or if it does not say its size.
std::string unzstd(std::string_view bytes, const std::string& name, std::size_t largest);

// Throws FormatError unless `content` is what `file` says; `where` is the path it came from and
// `remedy` ends the message.
void check_content(std::string_view content, const DataFile& file, const std::string& where,
                   std::string_view remedy);

}  // namespace palinode::experiments
