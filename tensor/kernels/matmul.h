// The matrix product (docs/arithmetic.md, section 2): fma chains over k in blocks of exactly 256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace palinode::kernels {

// A matrix somewhere in `data`: element (i, j) is data[i * row_stride + j * col_stride]. A
// transpose swaps the extents and the strides.
template <class T>
struct MatrixView {
  std::span<const T> data;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t row_stride = 0;
  std::size_t col_stride = 0;
};

// What is done to every output after the bias, while it is still in the cache: the functions of
// elementwise.h and math.h, with their bits; the fast ones those of fast.h in f32, and of math.h in
// f64.
enum class Activation : std::uint8_t {
  kNone,
  kRelu,
  kTanh,
  kSigmoid,
  kGelu,
  kGeluTanh,
  kTanhFast,
  kSigmoidFast,
  kGeluFast,
  kGeluTanhFast
};

// c = activation(a b (+ bias in every row)), for T float or double: a [m, k], b [k, n], bias [n] or
// empty for none, c [m, n] row-major and disjoint from the rest. Any extent may be 0; with k = 0
// the product is +0. Threads share out rows or columns of c.
template <class T>
void matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias, std::span<T> c,
            Activation activation = Activation::kNone);

// `count` products at once: c[x] = a[x] b[x] for x in [0, count), where a[x] is the view `a` moved
// on by x * a_step values of its data, b[x] likewise, and c [count, m, n] is row-major. A step of 0
// means one matrix for all. Threads share out products, or the parts of one if there are few.
template <class T>
void batched_matmul(std::size_t count, const MatrixView<T>& a, std::size_t a_step,
                    const MatrixView<T>& b, std::size_t b_step, std::span<T> c);

}  // namespace palinode::kernels
