// How far two versions of one array are apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/kernels/chunk_sums.h"

namespace palinode::kernels {

struct Change {
  std::uint64_t elements_changed = 0;  // elements whose bits differ
  double max_abs = 0;                  // the largest |after - before|
  double l2 = 0;                       // the square root of the sum of (after - before)^2
};

// Compares element by element, for T float, double, std::int32_t, BFloat16 or Float16; both spans
// have the same length, which may be 0. Differences and squares are taken in f64 and the squares
// summed by docs/arithmetic.md, section 3. A difference that is not a number makes max_abs and l2
// NaN.
template <class T>
Change change(std::span<const T> before, std::span<const T> after);

// The change of an array that comes in pieces, so that each can be compared while it is in the
// cache, and whether its new values are all finite: what the ledger records. T is float or double;
// f32 is compared in f32 where that loses nothing but the last digits (docs/arithmetic.md, section
// 9).
template <class T>
class ChangeSum {
 public:
  // Adds the next elements; their number is a multiple of 64 but for the last piece.
  void add(std::span<const T> before, std::span<const T> after);

  // Adds what `next` has seen, which is what follows here. All parts of an array that are appended
  // have kPart elements but for the last: then bits do not depend on the division.
  static constexpr std::size_t kPart = 16384;
  void append(const ChangeSum& next);

  bool finite() const { return lanes_.finite; }
  // The change of all that was added. `before` and `after` are the whole arrays: f32 differences
  // that are very small or very large are taken once more, in f64.
  Change total(std::span<const T> before, std::span<const T> after) const;

  // What the kernels see.
  struct Lanes {
    alignas(64) std::array<T, 64> squares{};
    T largest{};
    std::uint64_t changed = 0;
    bool finite = true;
  };

 private:
  Lanes lanes_;
  ChunkSums<double> chunks_;
  std::size_t in_chunk_ = 0;
};

}  // namespace palinode::kernels
