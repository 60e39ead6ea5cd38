// Counter-based randomness: Philox4x32-10 keyed by (seed, stream name, index).
//
// Nothing is drawn "next": every number has an address. Two streams of different names never meet,
// and asking in another order, from another thread, or twice, gives the same numbers
// (docs/arithmetic.md, section 8). Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/pool.h"
#include "tensor/tensor.h"

namespace palinode {

// One Philox4x32-10 block.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// The address of a stream without its name: what a kernel needs to draw from it.
struct RngKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
};

// A named stream of one seed. A value; copying it copies the name. Neither making one nor drawing a
// number reaches the heap.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : Rng(seed, "") {}

  // The stream "<this name>/<name>".
  Rng stream(std::string_view name) const;
  Rng stream(std::uint64_t number) const;

  std::uint64_t seed() const { return seed_; }
  RngKey key() const { return {seed_, stream_}; }
  std::string_view name() const { return name_; }

  std::uint32_t word(std::uint64_t index) const;
  double uniform(std::uint64_t index) const;  // in (0, 1)
  double normal(std::uint64_t index) const;   // mean 0, variance 1
  // In [0, n), for 0 < n <= 2^32.
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;
  std::vector<std::uint32_t> permutation(std::size_t n) const;
  void permutation(std::span<std::uint32_t> order) const;  // of its size, into it

  // Tensors of uniform values in (low, high), or of normal values, element i from index i.
  Tensor uniform(const Shape& shape, Dtype dtype, double low, double high) const;
  Tensor normal(const Shape& shape, Dtype dtype) const;

 private:
  Rng(std::uint64_t seed, PoolString name);
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;

  std::uint64_t seed_;
  PoolString name_;
  std::uint64_t stream_;  // the stream's half of the counter
};

}  // namespace palinode
