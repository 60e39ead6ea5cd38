// The order in which the sums of chunks are combined (docs/arithmetic.md, section 3).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace palinode::kernels {

// Combines chunk sums like a binary counter: the bits of `count_` say which powers of two are
// pending.
template <class T>
class ChunkSums {
 public:
  void add(T newer) {
    for (std::size_t bits = count_; (bits & 1) != 0; bits >>= 1) newer = pending_[--depth_] + newer;
    pending_[depth_++] = newer;
    ++count_;
  }

  // Adds the chunks that `next` has summed, as if they came one by one: for a count here that is a
  // multiple of a power of two not below next's.
  void append(const ChunkSums& next) {
    std::size_t from = 0;
    for (std::size_t level = std::bit_width(next.count_); level-- > 0;) {
      if ((next.count_ >> level & 1) == 0) continue;
      T newer = next.pending_[from++];
      for (std::size_t bits = count_ >> level; (bits & 1) != 0; bits >>= 1) {
        newer = pending_[--depth_] + newer;
      }
      pending_[depth_++] = newer;
      count_ += std::size_t{1} << level;
    }
  }

  T total() const {
    if (depth_ == 0) return T{0};
    T result = pending_[depth_ - 1];
    for (std::size_t i = depth_ - 1; i > 0; --i) result = pending_[i - 1] + result;
    return result;
  }

 private:
  std::array<T, std::numeric_limits<std::size_t>::digits> pending_;
  std::size_t depth_ = 0;
  std::size_t count_ = 0;
};

}  // namespace palinode::kernels
