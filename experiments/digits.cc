#include "experiments/digits.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "experiments/data_sets/bytes.h"
#include "experiments/embedded.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kSide = 8;
constexpr std::size_t kPixels = kSide * kSide;
constexpr std::size_t kClasses = 10;
constexpr std::size_t kMinimumRows = 1000;
constexpr std::size_t kLargest = std::size_t{1} << 24;  // bytes after decompression
constexpr std::int32_t kLabelShift = 3;

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
  const std::string text = is_gzip(bytes) ? gunzip(bytes, name, kLargest) : std::string(bytes);
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
  return parse_digits(read_file(path, kLargest), path);
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

}  // namespace palinode::experiments
