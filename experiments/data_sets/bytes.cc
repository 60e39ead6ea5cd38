#include "experiments/data_sets/bytes.h"

#include <fmt/format.h>
#define ZLIB_CONST  // zlib's input is const, as it is everywhere else
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <limits>

#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

struct Inflater {
  z_stream stream{};
  Inflater() { PALINODE_ASSERT(inflateInit2(&stream, 15 + 16) == Z_OK); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, const std::string& name, std::size_t largest) {
  if (bytes.size() > std::numeric_limits<uInt>::max()) {
    throw FormatError(
        fmt::format("{}: {} bytes are too many for one gzip file", name, bytes.size()));
  }
  Inflater inflater;
  inflater.stream.next_in = reinterpret_cast<const Bytef*>(bytes.data());
  inflater.stream.avail_in = static_cast<uInt>(bytes.size());
  std::string content;
  std::array<char, 1 << 16> chunk{};
  for (int status = Z_OK; status != Z_STREAM_END;) {
    inflater.stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    inflater.stream.avail_out = chunk.size();
    status = inflate(&inflater.stream, Z_NO_FLUSH);
    const std::size_t got = chunk.size() - inflater.stream.avail_out;
    content.append(chunk.data(), got);
    if (content.size() > largest) {
      throw FormatError(fmt::format("{}: unpacks to more than {} bytes", name, largest));
    }
    if (status == Z_STREAM_END && inflater.stream.avail_in > 0) {
      status = inflateReset(&inflater.stream);  // another member follows: gzip files may be joined
      continue;
    }
    if (status == Z_STREAM_END) break;
    if (status != Z_OK || got == 0) {
      throw FormatError(fmt::format("{}: the gzip stream is damaged or cut off", name));
    }
  }
  return content;
}

std::string unzstd(std::string_view bytes, const std::string& name, std::size_t largest) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR) {
    throw FormatError(fmt::format("{}: not a zstd frame that says its size", name));
  }
  if (size > largest) {
    throw FormatError(fmt::format("{}: unpacks to more than {} bytes", name, largest));
  }
  std::string content(static_cast<std::size_t>(size), '\0');
  const std::size_t got =
      ZSTD_decompress(content.data(), content.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0 || got != size ||
      ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) != bytes.size()) {
    throw FormatError(
        fmt::format("{}: the zstd frame is damaged, cut off or followed by more", name));
  }
  return content;
}

void check_content(std::string_view content, const DataFile& file, const std::string& where,
                   std::string_view remedy) {
  const std::string found = hex(sha256(content));
  if (found == file.sha256) return;
  throw FormatError(fmt::format("{}: expected {} bytes of SHA-256 {}, found {} of {}; {}", where,
                                file.bytes, file.sha256, content.size(), found, remedy));
}

}  // namespace palinode::experiments
