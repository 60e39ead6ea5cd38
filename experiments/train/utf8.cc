#include "experiments/train/utf8.h"

#include <cstddef>
#include <cstdint>

namespace palinode::experiments::train {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::uint8_t byte(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

struct Range {
  std::uint8_t low, high;
};

// How long the character is that begins so; 0 if none does (The Unicode Standard, table 3-7).
std::size_t length_of(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

// What its second byte may be: no overlong forms, no surrogates, nothing beyond U+10FFFF.
Range second_of(std::uint8_t first) {
  switch (first) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

// How many bytes at the beginning are a character or the beginning of one.
std::size_t good_bytes(std::string_view text, std::size_t length) {
  std::size_t good = 1;
  for (; good < length && good < text.size(); ++good) {
    const Range range = good == 1 ? second_of(byte(text, 0)) : Range{0x80, 0xBF};
    if (byte(text, good) < range.low || byte(text, good) > range.high) break;
  }
  return good;
}

}  // namespace

std::string Utf8Stream::add(std::string_view bytes) {
  pending_ += bytes;
  return take(false);
}

std::string Utf8Stream::finish() { return take(true); }

std::string Utf8Stream::take(bool last) {
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const std::size_t length = length_of(byte(rest, 0));
    const std::size_t good = length == 0 ? 0 : good_bytes(rest, length);
    if (length > 0 && good == length) {
      text += rest.substr(0, length);
      rest.remove_prefix(length);
      continue;
    }
    if (!last && good == rest.size()) break;  // the rest of it may still come
    text += kReplacement;
    rest.remove_prefix(1);
  }
  pending_ = std::string(rest);
  return text;
}

}  // namespace palinode::experiments::train
