// Labelled examples in memory, and batches of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace palinode::experiments {

// x f32 [n, ...], one example a row: features [n, f] or images [n, h, w, c]; y i32 [n], its class.
// A batch of language-model windows has x i32 [batch, context] and y i32 [batch * context].
struct Labelled {
  Tensor x;
  Tensor y;
  std::size_t size() const { return y.elements(); }
  // Examples [begin, end), sharing the values. Throws ShapeError outside the set.
  Labelled rows(std::size_t begin, std::size_t end) const {
    return {x.rows(begin, end), y.rows(begin, end)};
  }
};

// Rows of a set by index, in that order, copied.
Labelled select(const Labelled& from, std::span<const std::uint32_t> rows);

// An endless run of batches over a set. With k = floor(n / size) batches an epoch, batch `step` is
// part step mod k of the permutation of stream "<stream>/<floor(step / k)>"; the n - k * size
// examples at the permutation's end sit that epoch out. So a step number is the whole position: a
// resumed run asks for the next step and needs nothing else.
//
// Steps may be asked for in any order; in rising order only the first step of an epoch does more
// than copy rows into pool memory.
class Batches {
 public:
  // Throws ShapeError unless 0 < size <= from.size().
  Batches(Labelled from, Rng stream, std::size_t size);
  Labelled at(std::size_t step);
  std::size_t per_epoch() const { return from_.size() / size_; }

 private:
  Labelled from_;
  Rng stream_;
  std::size_t size_;
  std::size_t epoch_ = 0;
  std::vector<std::uint32_t> order_;  // of that epoch; empty before the first step
};

}  // namespace palinode::experiments
