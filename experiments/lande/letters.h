// The parts of the Unicode character data that the language detector needs (made by convert.mjs).
#pragma once

#include <cstdint>
#include <span>

namespace palinode::experiments {

struct CodeRange {
  std::uint32_t first, last;
};

// Code points first, first + step, ..., last; the lower case of each is `shift` away.
struct CaseRun {
  std::uint32_t first, last, step;
  std::int32_t shift;
};

// General categories L and M; code points with a lower case of their own, but for U+0130. Both in
// rising order, without overlap.
std::span<const CodeRange> letters_and_marks();
std::span<const CaseRun> upper_case();

}  // namespace palinode::experiments
