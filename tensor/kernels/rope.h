// Rotary positions (Su et al., arXiv:2104.09864, equation 34): the values of a head are turned, two
// by two, by angles that grow with the position; docs/arithmetic.md, section 6d.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::kernels {

// cos and sin [positions, head_dim / 2] of position * base^(-2 i / head_dim), in f64: error below
// 1 ULP of the functions, on angles whose relative error is below 20 ULP for a base up to 10^7.
void rope_angles(std::size_t positions, std::size_t head_dim, double base, std::span<double> cos,
                 std::span<double> sin);

// Which values are a pair: i and i + head_dim / 2 of a head, as Llama and Hugging Face have it, or
// 2 i and 2 i + 1, as the paper.
struct RopeShape {
  std::size_t rows = 0, cols = 0;       // of x
  std::size_t time = 0;                 // row r has the angles of line r mod time
  std::size_t heads = 0, head_dim = 0;  // the first heads * head_dim columns are turned
  bool interleaved = false;
};

// Pair (a, b) with angle t becomes (a cos t - b sin t, a sin t + b cos t); backwards, which is the
// gradient, it is turned by -t. Columns behind the heads are copied. T is float or double; x and
// out [rows, cols] are disjoint; cos and sin [time, head_dim / 2].
template <class T>
void rope(const RopeShape& shape, std::span<const T> x, std::span<const T> cos,
          std::span<const T> sin, bool backwards, std::span<T> out);

}  // namespace palinode::kernels
