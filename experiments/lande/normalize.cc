#include "experiments/lande/normalize.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "experiments/lande/letters.h"

namespace palinode::experiments {
namespace {

using Code = std::uint32_t;  // a Unicode code point

constexpr Code kNone = 0xFFFFFFFF;
constexpr Code kSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2;
constexpr Code kDottedI = 0x130, kDotAbove = 0x307;

// The code point that begins at `at`, which moves behind it; kNone for a byte that begins none.
Code next_code(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<std::uint8_t>(text[at++]);
  if (lead < 0x80) return lead;
  const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || at + more > text.size()) return kNone;
  Code code = lead & (0x3FU >> more);
  for (std::size_t i = 0; i < more; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[at + i]);
    if ((byte & 0xC0) != 0x80) return kNone;
    code = code << 6 | (byte & 0x3FU);
  }
  const bool too_long = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (too_long || surrogate || code > 0x10FFFF) return kNone;
  at += more;
  return code;
}

std::vector<Code> decode(std::string_view text) {
  std::vector<Code> codes;
  for (std::size_t at = 0; at < text.size();) {
    const Code code = next_code(text, at);
    if (code != kNone) codes.push_back(code);
  }
  return codes;
}

void append(std::u16string& text, Code code) {
  if (code < 0x10000) {
    text.push_back(static_cast<char16_t>(code));
  } else {
    text.push_back(static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10)));
    text.push_back(static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FF)));
  }
}

// JavaScript's \s.
bool is_space(Code code) {
  return code == ' ' || (code >= 9 && code <= 13) || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000 || code == 0xFEFF;
}

// The last element of a table that begins at or before `code`; null if none does.
template <class Range>
const Range* at_or_before(std::span<const Range> table, Code code) {
  const auto after = std::ranges::upper_bound(table, code, {}, &Range::first);
  return after == table.begin() ? nullptr : &*(after - 1);
}

bool is_letter_or_mark(Code code) {
  const CodeRange* range = at_or_before(letters_and_marks(), code);
  return range != nullptr && code <= range->last;
}

Code lower(Code code) {
  const CaseRun* run = at_or_before(upper_case(), code);
  if (run == nullptr || code > run->last || (code - run->first) % run->step != 0) return code;
  return code + static_cast<Code>(run->shift);  // modulo 2^32, as a negative shift needs
}

// Letters, marks and white space; no two white spaces beside each other, none at an end.
std::vector<Code> cleaned(std::string_view utf8) {
  std::vector<Code> kept;
  for (Code code : decode(utf8)) {
    if (code == '-') code = ' ';
    if (is_space(code)) {
      if (kept.empty()) continue;
      if (is_space(kept.back())) {
        kept.back() = ' ';
      } else {
        kept.push_back(code);
      }
    } else if (is_letter_or_mark(code)) {
      kept.push_back(code);
    }
  }
  if (!kept.empty() && is_space(kept.back())) kept.pop_back();
  return kept;
}

}  // namespace

std::u16string lande_normalized(std::string_view utf8) {
  const std::vector<Code> codes = cleaned(utf8);
  std::u16string text = u" ";
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const bool ends_word =
        i > 0 && !is_space(codes[i - 1]) && (i + 1 == codes.size() || is_space(codes[i + 1]));
    if (codes[i] == kDottedI) {
      append(text, 'i');
      append(text, kDotAbove);
    } else if (codes[i] == kSigma) {
      append(text, ends_word ? kFinalSigma : kSmallSigma);
    } else {
      append(text, lower(codes[i]));
    }
  }
  return text + u" ";
}

std::u16string to_utf16(std::string_view utf8) {
  std::u16string text;
  for (const Code code : decode(utf8)) append(text, code);
  return text;
}

}  // namespace palinode::experiments
