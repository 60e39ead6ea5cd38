#include "experiments/digits.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "experiments/embedded.h"
#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kSide = 8;
constexpr std::size_t kPixels = kSide * kSide;
constexpr std::size_t kClasses = 10;
constexpr std::size_t kMinimumRows = 1000;
constexpr std::size_t kLargest = std::size_t{1} << 24;  // bytes after decompression
constexpr std::int32_t kLabelShift = 3;

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

struct Inflater {
  z_stream stream{};
  Inflater() { PALINODE_ASSERT(inflateInit2(&stream, 15 + 16) == Z_OK); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

std::string gunzip(std::string_view bytes, const std::string& name) {
  std::vector<Bytef> input(bytes.begin(), bytes.end());
  Inflater inflater;
  inflater.stream.next_in = input.data();
  inflater.stream.avail_in = static_cast<uInt>(input.size());
  std::string text;
  std::array<char, 1 << 16> chunk{};
  for (int status = Z_OK; status != Z_STREAM_END;) {
    inflater.stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    inflater.stream.avail_out = chunk.size();
    status = inflate(&inflater.stream, Z_NO_FLUSH);
    const std::size_t got = chunk.size() - inflater.stream.avail_out;
    text.append(chunk.data(), got);
    if (text.size() > kLargest) {
      throw FormatError(fmt::format("{}: more than {} bytes of digits", name, kLargest));
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
  return text;
}

std::int32_t parse_field(std::string_view field, std::int32_t largest, const std::string& name,
                         std::size_t line) {
  double value = -1;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  const bool in_range = value >= 0 && value <= largest;  // false for a NaN
  const std::int32_t whole = in_range ? static_cast<std::int32_t>(value) : 0;
  if (error != std::errc() || end != field.data() + field.size() || !in_range || value != whole) {
    throw FormatError(fmt::format("{} line {}: expected an integer from 0 to {}, got \"{}\"", name,
                                  line, largest, field.substr(0, 20)));
  }
  return whole;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

// One image turned 90 degrees clockwise: new (r, c) is old (7 - c, r).
void rotate(std::span<const float> from, std::span<float> to) {
  for (std::size_t r = 0; r < kSide; ++r) {
    for (std::size_t c = 0; c < kSide; ++c) to[r * kSide + c] = from[(kSide - 1 - c) * kSide + r];
  }
}

Labelled shifted(const Labelled& from) {
  TensorBuilder x(from.x.shape(), Dtype::kF32), y(from.y.shape(), Dtype::kI32);
  const std::span<const float> in = from.x.values<float>();
  const std::span<float> out = x.values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    rotate(in.subspan(i * kPixels, kPixels), out.subspan(i * kPixels, kPixels));
    y.values<std::int32_t>()[i] =
        (from.y.values<std::int32_t>()[i] + kLabelShift) % static_cast<std::int32_t>(kClasses);
  }
  return {std::move(x).build(), std::move(y).build()};
}

}  // namespace

Labelled parse_digits(std::string_view bytes, const std::string& name) {
  const std::string text = is_gzip(bytes) ? gunzip(bytes, name) : std::string(bytes);
  std::vector<std::string_view> lines = split(text, '\n');
  if (!lines.back().empty()) {
    throw FormatError(fmt::format("{} line {}: the last line does not end; is the file cut off?",
                                  name, lines.size()));
  }
  lines.pop_back();
  if (lines.size() < kMinimumRows) {
    throw FormatError(
        fmt::format("{}: expected at least {} rows, got {}", name, kMinimumRows, lines.size()));
  }
  TensorBuilder x({lines.size(), kPixels}, Dtype::kF32), y({lines.size()}, Dtype::kI32);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::vector<std::string_view> fields = split(lines[i], ',');
    if (fields.size() != kPixels + 1) {
      throw FormatError(fmt::format("{} line {}: expected {} fields, got {}", name, i + 1,
                                    kPixels + 1, fields.size()));
    }
    for (std::size_t j = 0; j < kPixels; ++j) {
      const std::int32_t pixel = parse_field(fields[j], 16, name, i + 1);
      x.values<float>()[i * kPixels + j] = static_cast<float>(pixel) / 8.0F - 1.0F;
    }
    y.values<std::int32_t>()[i] = parse_field(fields[kPixels], 9, name, i + 1);
  }
  return {std::move(x).build(), std::move(y).build()};
}

Labelled embedded_digits() {
  static const Labelled digits = parse_digits(embedded::digits_csv_gz(), "embedded digits.csv.gz");
  return digits;
}

Labelled read_digits(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kLargest + 1, '\0');
  if (file) file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad() || !file.is_open()) throw FormatError(fmt::format("{}: cannot be read", path));
  if (!file.eof()) {
    throw FormatError(fmt::format("{}: more than {} bytes of digits", path, kLargest));
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return parse_digits(bytes, path);
}

Labelled select(const Labelled& from, std::span<const std::uint32_t> rows) {
  const std::size_t width = from.x.shape()[1];
  TensorBuilder x({rows.size(), width}, Dtype::kF32), y({rows.size()}, Dtype::kI32);
  const std::span<const float> in = from.x.values<float>();
  const std::span<const std::int32_t> labels = from.y.values<std::int32_t>();
  const std::span<float> out = x.values<float>();
  const std::span<std::int32_t> out_labels = y.values<std::int32_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(in.subspan(rows[i] * width, width), out.subspan(i * width).begin());
    out_labels[i] = labels[rows[i]];
  }
  return {std::move(x).build(), std::move(y).build()};
}

Digits make_tasks(const Labelled& all) {
  const std::vector<std::uint32_t> order = Rng(0).stream("digits/split").permutation(all.size());
  const std::span<const std::uint32_t> rows = order;
  const std::size_t cut = all.size() * 2 / 3;
  std::vector<std::uint32_t> half;
  for (std::size_t i = 0; i < cut; i += 2) half.push_back(rows[i]);
  constexpr std::size_t kProbesOfEach = 256;
  std::vector<std::uint32_t> probes(rows.begin(), rows.begin() + kProbesOfEach);
  probes.insert(probes.end(), rows.begin() + static_cast<std::ptrdiff_t>(cut),
                rows.begin() + static_cast<std::ptrdiff_t>(cut + kProbesOfEach));
  Digits digits;
  digits.train = select(all, rows.first(cut));
  digits.held_out = select(all, rows.subspan(cut));
  digits.shifted_train = shifted(select(all, half));
  digits.shifted_test = shifted(digits.held_out);
  digits.probes = select(all, probes).x;
  digits.digest = hex(Sha256().add(leaf_digest("x", all.x)).add(leaf_digest("y", all.y)).finish());
  return digits;
}

Batches::Batches(const Labelled& from, Rng stream, std::size_t size)
    : from_(&from), stream_(std::move(stream)), size_(size) {
  PALINODE_ASSERT(size > 0 && size <= from.size());
}

Labelled Batches::at(std::size_t step) {
  const std::size_t per_epoch = from_->size() / size_;
  const std::size_t epoch = step / per_epoch, place = step % per_epoch;
  if (order_.empty() || epoch != epoch_) {
    order_ = stream_.stream(epoch).permutation(from_->size());
    epoch_ = epoch;
  }
  return select(*from_, std::span<const std::uint32_t>(order_).subspan(place * size_, size_));
}

}  // namespace palinode::experiments
