// Text and its next tokens.
#pragma once

#include <optional>

#include "experiments/data_sets/data_set.h"
#include "experiments/tokenizer/tokenizer.h"
#include "experiments/train/task.h"

namespace palinode::experiments::train {

// Windows of `train.context` tokens: batches come from the training part, at random places of the
// stream "batches"; validation takes the windows that begin at the multiples of the context, as
// many as hold `data.validation` tokens (0: all). Throws FormatError for a text that is too short,
// or that has bytes the tokenizer does not know.
Task text_task(const Config& config, const Text& text, const std::optional<Tokenizer>& tokenizer);

// "bytes": a token for each distinct byte of the text; "all-bytes": 256 tokens; "byte-pairs": those
// and the `data.merges` most frequent pairs of the training part.
Tokenizer make_tokenizer(const Config& config, const Text& text);

}  // namespace palinode::experiments::train
