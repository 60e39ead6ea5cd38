// Learning a byte-pair vocabulary from a text.
#pragma once

#include <cstddef>
#include <string_view>

#include "experiments/tokenizer/tokenizer.h"

namespace palinode::experiments {

// A tokenizer over all 256 bytes with `count` merges, or fewer when no pair occurs twice any more.
// Each step merges the pair of neighbouring tokens that occurs most often in the words of the text
// (overlapping occurrences count: "aaa" holds (a, a) twice), everywhere, from left to right. Among
// pairs that occur equally often, the first in the order of their bytes, left token before right
// token, wins; of pairs that spell the same, that of the smaller token numbers.
//
// The result depends on the text alone. Throws FormatError if 256 + count exceeds kMostTokens.
Tokenizer train_byte_pairs(std::string_view text, std::size_t count);

}  // namespace palinode::experiments
