// How far two versions of one array are apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

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

// XXH3-128 of an array whose pieces are compared, taken in the same pass: the library's eight sums
// over all blocks of 1024 bytes but the last (xxh3-inl.h). Valid for an array without a NaN.
class Xxh3Sums {
 public:
  // Of an array of so many bytes, which the library's long rule is for.
  static constexpr std::size_t kLong = 241, kBlock = 1024;
  explicit Xxh3Sums(std::size_t bytes) : blocks_((bytes - 1) / kBlock) {}

  // The next bytes of the array: a multiple of 1024 but for the last ones.
  void add(std::span<const std::byte> bytes);

  // What was added so far, and then the rest of the array.
  std::array<std::uint8_t, 16> finish(std::span<const std::byte> array) const;

  struct Lanes {
    alignas(64) std::array<std::uint64_t, 8> sums;
  };

 private:
  template <class T>
  friend class ChangeSum;

  static Lanes start();
  Lanes lanes_ = start();
  std::size_t blocks_;  // still to come
};

// The change of an array that comes in pieces, so that each can be compared while it is in the
// cache, and whether its new values are all finite: what the ledger records. T is float or double;
// f32 is compared in f32 where that loses nothing but the last digits (docs/arithmetic.md, section
// 9).
template <class T>
class ChangeSum {
 public:
  // Adds the next elements; their number is a multiple of 64 but for the last piece. With `digest`
  // the new values are added there too; their bytes are then a multiple of 4096 but for the last
  // piece.
  void add(std::span<const T> before, std::span<const T> after, Xxh3Sums* digest = nullptr);

  // Adds what `next` has seen, which is what follows here. All parts of an array that are appended
  // have kPart elements but for the last: then bits do not depend on the division.
  static constexpr std::size_t kPart = 16384;
  void append(const ChangeSum& next);

  bool finite() const { return lanes_.finite; }
  // The change of all that was added. `before` and `after` are the whole arrays: f32 differences
  // that are very small or very large, and what is not finite, are taken once more, in f64.
  Change total(std::span<const T> before, std::span<const T> after) const;

  // For a kernel that compares what it writes (update.h): it adds up to room() elements to
  // lanes(), a multiple of 64 but for the last ones, and passed(n) says how many they were.
  struct Lanes;
  Lanes& lanes() { return lanes_; }
  std::size_t room() const { return kChunk - in_chunk_; }
  void passed(std::size_t n);

  // What the kernels see.
  struct Lanes {
    alignas(64) std::array<T, 64> squares{};  // of f32, times 2^96
    // The largest difference as its bits: above those of every number if one is not finite.
    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> largest{};
    std::uint64_t changed = 0;
    bool finite = true;
  };

 private:
  static constexpr std::size_t kChunk = 4096;
  Lanes lanes_;
  ChunkSums<double> chunks_;
  std::size_t in_chunk_ = 0;
};

template <class T>
using ChangeLanes = typename ChangeSum<T>::Lanes;

}  // namespace palinode::kernels
