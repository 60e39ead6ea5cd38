#include "tensor/kernels/reduce.h"

#include <algorithm>
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

constexpr std::size_t kColumnBlock = 256;  // rows; part of the specification

// The sums of kVectors vectors of columns (the last one through `access`), block after block.
template <std::size_t kVectors, class D, class Access, class T = hn::TFromD<D>>
HWY_INLINE void sum_column_strip(D d, const Access& access, const T* x, std::size_t rows,
                                 std::size_t cols, T* out) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> totals[kVectors];
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) totals[v] = hn::Zero(d);
  for (std::size_t block = 0; block < rows; block += kColumnBlock) {
    hn::Vec<D> sums[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);
    const std::size_t block_end = std::min(rows, block + kColumnBlock);
    for (std::size_t i = block; i < block_end; ++i) {
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[v] = hn::Add(sums[v], access.load(d, x + i * cols + v * kLanes));
      }
    }
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      totals[v] = block == 0 ? sums[v] : hn::Add(totals[v], sums[v]);
    }
  }
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) access.store(d, totals[v], out + v * kLanes);
}

template <class T>
void column_sums(const T* x, std::size_t rows, std::size_t cols, std::size_t begin, std::size_t end,
                 T* out) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  std::size_t j = begin;
  for (; j + 4 * kLanes <= end; j += 4 * kLanes) {
    sum_column_strip<4>(d, Whole{}, x + j, rows, cols, out + j);
  }
  for (; j + kLanes <= end; j += kLanes) {
    sum_column_strip<1>(d, Whole{}, x + j, rows, cols, out + j);
  }
  if (j < end) sum_column_strip<1>(d, Part{end - j}, x + j, rows, cols, out + j);
}

template <class T>
ReduceTable<T> make_table() {
  return {.sum = sum_of<T>, .max = max_of<T>, .column_sums = column_sums<T>};
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
  const auto function = table(T{}).max;
  for_each_row(x, rows, cols, [&](const T* row, std::size_t i) {
    const T largest = function(row, cols);
    const auto is_largest = [largest](T value) {
      return value == largest || (value != value && largest != largest);
    };
    out[i] = static_cast<std::int32_t>(std::find_if(row, row + cols, is_largest) - row);
  });
}

template float sum(std::span<const float>);
template double sum(std::span<const double>);
template void row_sums(std::span<const float>, std::size_t, std::size_t, std::span<float>);
template void row_sums(std::span<const double>, std::size_t, std::size_t, std::span<double>);
template void column_sums(std::span<const float>, std::size_t, std::size_t, std::span<float>);
template void column_sums(std::span<const double>, std::size_t, std::size_t, std::span<double>);
template void row_max(std::span<const float>, std::size_t, std::size_t, std::span<float>);
template void row_max(std::span<const double>, std::size_t, std::size_t, std::span<double>);
template void row_argmax(std::span<const float>, std::size_t, std::size_t, std::span<std::int32_t>);
template void row_argmax(std::span<const double>, std::size_t, std::size_t,
                         std::span<std::int32_t>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
