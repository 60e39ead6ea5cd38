// Batches for language models: windows of context + 1 tokens, of which the first `context` are the
// input and the last `context` the targets.
#pragma once

#include <cstddef>
#include <span>

#include "experiments/data_sets/labelled.h"
#include "experiments/tokenizer/tokenizer.h"
#include "tensor/rng.h"

namespace palinode::experiments {

// Training: windows at random places. With n tokens, row r of step s begins at place
// below(s * batch + r, n - context) of the stream (docs/arithmetic.md, section 8), so a step number
// is the whole position. `at` copies into pool memory and does nothing else.
class Windows {
 public:
  // The tokens must outlive this. Throws ShapeError for a batch or context of 0 and for fewer than
  // context + 1 tokens.
  Windows(std::span<const Token> tokens, Rng stream, std::size_t batch, std::size_t context);
  Labelled at(std::size_t step) const;  // x i32 [batch, context], y i32 [batch * context]

 private:
  std::span<const Token> tokens_;
  Rng stream_;
  std::size_t batch_, context_;
};

// Validation: every window that begins at a multiple of `context`, in order, `batch` at a time, so
// each target is predicted once and always from the same tokens. The last batch may be smaller; of
// n tokens the first and the last (n - 1) mod context are no targets.
class WindowCover {
 public:
  // As Windows.
  WindowCover(std::span<const Token> tokens, std::size_t batch, std::size_t context);
  std::size_t batches() const { return (windows_ + batch_ - 1) / batch_; }
  Labelled at(std::size_t index) const;  // for index < batches()

 private:
  std::span<const Token> tokens_;
  std::size_t batch_, context_, windows_;
};

}  // namespace palinode::experiments
