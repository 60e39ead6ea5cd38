#include "tensor/kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/reduce.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void column_sums(const T* x, std::size_t rows, std::size_t cols, std::size_t begin, std::size_t end,
                 T* out) {
  const hn::ScalableTag<T> d;
  const auto value = [=](auto access, std::size_t i, std::size_t j)
                         HWY_ATTR { return access.load(d, x + i * cols + j); };
  sum_columns(d, rows, begin, end, value, out);
}

// The sum of the squares in f64, where those of f32 values are exact.
template <class T>
double sum_of_squares(const T* x, std::size_t n) {
  const hn::ScalableTag<double> d64;
  const hn::Rebind<T, decltype(d64)> d;
  return sum_each(d64, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto value = access.load(d, x + i);
    if constexpr (sizeof(T) == sizeof(double)) {
      return hn::Mul(value, value);
    } else {
      const auto wide = hn::PromoteTo(d64, value);
      return hn::Mul(wide, wide);
    }
  });
}

template <class T>
ReduceTable<T> make_table() {
  return {.sum = sum_of<T>,
          .sum_of_squares = sum_of_squares<T>,
          .max = max_of<T>,
          .argmax = argmax_of<T>,
          .column_sums = column_sums<T>};
}

ReduceTable<float> reduce_f32() { return make_table<float>(); }
ReduceTable<double> reduce_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(reduce_f32);
HWY_EXPORT(reduce_f64);

ReduceTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(reduce_f32)(); }
ReduceTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(reduce_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 32768;

// Calls function(row, i) for each row i.
template <class T, class Function>
void for_each_row(std::span<const T> x, std::size_t rows, std::size_t cols,
                  const Function& function) {
  PALINODE_ASSERT(x.size() == rows * cols);
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) function(x.data() + i * cols, i);
  };
  parallel_for(rows, kMinPerThread / std::max<std::size_t>(cols, 1) + 1, std::ref(body));
}

}  // namespace

template <class T>
T sum(std::span<const T> x) {
  return table(T{}).sum(x.data(), x.size());
}

template <class T>
void row_sums(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(out.size() == rows);
  const auto function = table(T{}).sum;
  for_each_row(x, rows, cols, [&](const T* row, std::size_t i) { out[i] = function(row, cols); });
}

template <class T>
void column_sums(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(x.size() == rows * cols && out.size() == cols);
  const auto function = table(T{}).column_sums;
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data(), rows, cols, begin, end, out.data());
  };
  parallel_for(cols, kMinPerThread / std::max<std::size_t>(rows, 1) + 64, std::ref(body));
}

template <class T>
void row_max(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(out.size() == rows && (cols > 0 || rows == 0));
  const auto function = table(T{}).max;
  for_each_row(x, rows, cols, [&](const T* row, std::size_t i) { out[i] = function(row, cols); });
}

template <class T>
void row_argmax(std::span<const T> x, std::size_t rows, std::size_t cols,
                std::span<std::int32_t> out) {
  PALINODE_ASSERT(out.size() == rows && (cols > 0 || rows == 0));
  PALINODE_ASSERT(cols <= std::numeric_limits<std::int32_t>::max());
  const auto function = table(T{}).argmax;
  for_each_row(x, rows, cols, [&](const T* row, std::size_t i) {
    out[i] = static_cast<std::int32_t>(function(row, cols));
  });
}

template <class T>
T mean(std::span<const T> x) {
  PALINODE_ASSERT(!x.empty());
  return sum(x) / static_cast<T>(x.size());
}

template <class T>
void row_means(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(cols > 0 || rows == 0);
  row_sums(x, rows, cols, out);
  for (T& value : out) value = value / static_cast<T>(cols);
}

template <class T>
T max(std::span<const T> x) {
  PALINODE_ASSERT(!x.empty());
  return table(T{}).max(x.data(), x.size());
}

template <class T>
std::size_t argmax(std::span<const T> x) {
  PALINODE_ASSERT(!x.empty());
  return table(T{}).argmax(x.data(), x.size());
}

template <class T>
double sum_of_squares(std::span<const T> x) {
  return table(T{}).sum_of_squares(x.data(), x.size());
}

template <class T>
T l2_norm(std::span<const T> x) {
  return static_cast<T>(std::sqrt(sum_of_squares(x)));
}

#define PALINODE_REDUCE(T)                                                                         \
  template T sum(std::span<const T>);                                                              \
  template void row_sums(std::span<const T>, std::size_t, std::size_t, std::span<T>);              \
  template void column_sums(std::span<const T>, std::size_t, std::size_t, std::span<T>);           \
  template void row_max(std::span<const T>, std::size_t, std::size_t, std::span<T>);               \
  template void row_argmax(std::span<const T>, std::size_t, std::size_t, std::span<std::int32_t>); \
  template T mean(std::span<const T>);                                                             \
  template void row_means(std::span<const T>, std::size_t, std::size_t, std::span<T>);             \
  template T max(std::span<const T>);                                                              \
  template std::size_t argmax(std::span<const T>);                                                 \
  template double sum_of_squares(std::span<const T>);                                              \
  template T l2_norm(std::span<const T>)
PALINODE_REDUCE(float);
PALINODE_REDUCE(double);
#undef PALINODE_REDUCE

}  // namespace palinode::kernels
#endif  // HWY_ONCE
