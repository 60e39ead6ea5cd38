// The kernels that compare and digest what is written, filled in once for every SIMD target;
// private to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/float16.h"
#include "tensor/kernels/change.h"

namespace palinode::kernels {

struct ChangeTable {
  // Adds n <= 4096 elements of one chunk; the pieces before were multiples of 64. With a digest,
  // the first `blocks` blocks of 1024 bytes of `after` are added there.
  void (*lanes_f32)(const float* before, const float* after, std::size_t n,
                    ChangeSum<float>::Lanes& lanes, Xxh3Sums::Lanes* digest, std::size_t blocks);
  void (*lanes_f64)(const double* before, const double* after, std::size_t n,
                    ChangeSum<double>::Lanes& lanes, Xxh3Sums::Lanes* digest, std::size_t blocks);
  float (*fold_f32)(const std::array<float, 64>& lanes);
  double (*fold_f64)(const std::array<double, 64>& lanes);
  // Blocks of 1024 bytes of an array that is not compared here.
  void (*digest_blocks)(const std::byte* bytes, std::size_t blocks, Xxh3Sums::Lanes& digest);
  // The last 1 to 1024 bytes of an array, with at least 64 of it in all before `end`.
  void (*digest_end)(const std::byte* end, std::size_t bytes, Xxh3Sums::Lanes& digest);
  Change (*f32)(const float* before, const float* after, std::size_t n);
  Change (*f64)(const double* before, const double* after, std::size_t n);
  Change (*i32)(const std::int32_t* before, const std::int32_t* after, std::size_t n);
  Change (*bf16)(const BFloat16* before, const BFloat16* after, std::size_t n);
  Change (*f16)(const Float16* before, const Float16* after, std::size_t n);
};

// The library's secret of 192 bytes, which the sums of a digest are made with.
const std::uint8_t* xxh3_secret();

}  // namespace palinode::kernels
