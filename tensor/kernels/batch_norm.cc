#include "tensor/kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/layer_tables.h"
#include "tensor/kernels/reduce.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/batch_norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void squares(const T* x, const T* mean, std::size_t rows, std::size_t cols, std::size_t begin,
             std::size_t end, T* out) {
  const hn::ScalableTag<T> d;
  const auto value = [=](auto access, std::size_t i, std::size_t j) HWY_ATTR {
    const auto c = hn::Sub(access.load(d, x + i * cols + j), access.load(d, mean + j));
    return hn::Mul(c, c);
  };
  sum_columns(d, rows, begin, end, value, out);
}

template <class T>
void gamma_grad(const T* g, const T* x, const T* mean, const T* rstd, std::size_t rows,
                std::size_t cols, std::size_t begin, std::size_t end, T* out) {
  const hn::ScalableTag<T> d;
  const auto value = [=](auto access, std::size_t i, std::size_t j) HWY_ATTR {
    const auto c = hn::Sub(access.load(d, x + i * cols + j), access.load(d, mean + j));
    const auto h = hn::Mul(c, access.load(d, rstd + j));
    return hn::Mul(access.load(d, g + i * cols + j), h);
  };
  sum_columns(d, rows, begin, end, value, out);
}

template <class T>
void row(const T* x, const ColumnScale<T>& s, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto c = hn::Sub(access.load(d, x + j), access.load(d, s.mean + j));
    const auto h = hn::Mul(c, access.load(d, s.rstd + j));
    const auto scaled = hn::Mul(h, access.load(d, s.gamma + j));
    access.store(d, hn::Add(scaled, access.load(d, s.beta + j)), y + j);
  });
}

template <class T>
void row_grad(const T* g, const T* x, const ColumnScale<T>& s, const T* a, const T* b, T* dx,
              std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto rstd = access.load(d, s.rstd + j);
    const auto h = hn::Mul(hn::Sub(access.load(d, x + j), access.load(d, s.mean + j)), rstd);
    const auto level = hn::Sub(access.load(d, g + j), access.load(d, a + j));
    const auto rest = hn::Sub(level, hn::Mul(h, access.load(d, b + j)));
    access.store(d, hn::Mul(rest, hn::Mul(access.load(d, s.gamma + j), rstd)), dx + j);
  });
}

template <class T>
BatchNormTable<T> make_table() {
  return {squares<T>, gamma_grad<T>, row<T>, row_grad<T>};
}

BatchNormTable<float> batch_norm_f32() { return make_table<float>(); }
BatchNormTable<double> batch_norm_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(batch_norm_f32);
HWY_EXPORT(batch_norm_f64);

BatchNormTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(batch_norm_f32)(); }
BatchNormTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(batch_norm_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 16384;

template <class Body>
void for_each_column_range(std::size_t rows, std::size_t cols, const Body& body) {
  parallel_for(cols, kMinPerThread / std::max<std::size_t>(rows, 1) + 64, std::ref(body));
}

template <class Function>
void for_each_row(std::size_t rows, std::size_t cols, const Function& function) {
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) function(i * cols);
  };
  parallel_for(rows, kMinPerThread / std::max<std::size_t>(cols, 1) + 1, std::ref(body));
}

}  // namespace

template <class T>
void batch_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> mean,
                      std::span<T> variance) {
  PALINODE_ASSERT(rows > 0 && x.size() == rows * cols);
  PALINODE_ASSERT(mean.size() == cols && variance.size() == cols);
  column_sums<T>(x, rows, cols, mean);
  const T count = static_cast<T>(rows);
  for (T& value : mean) value = value / count;
  const auto function = table(T{}).squares;
  for_each_column_range(rows, cols, [&](std::size_t begin, std::size_t end) {
    function(x.data(), mean.data(), rows, cols, begin, end, variance.data());
  });
  for (T& value : variance) value = value / count;
}

template <class T>
void reciprocal_deviation(std::span<const T> variance, T eps, std::span<T> rstd) {
  PALINODE_ASSERT(variance.size() == rstd.size());
  for (std::size_t j = 0; j < rstd.size(); ++j) rstd[j] = T{1} / std::sqrt(variance[j] + eps);
}

template <class T>
void batch_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> mean,
                std::span<const T> rstd, std::span<const T> gamma, std::span<const T> beta,
                std::span<T> y) {
  PALINODE_ASSERT(x.size() == rows * cols && y.size() == x.size() && mean.size() == cols);
  PALINODE_ASSERT(rstd.size() == cols && gamma.size() == cols && beta.size() == cols);
  const ColumnScale<T> scale = {mean.data(), rstd.data(), gamma.data(), beta.data()};
  const auto function = table(T{}).row;
  for_each_row(rows, cols,
               [&](std::size_t at) { function(x.data() + at, scale, y.data() + at, cols); });
}

template <class T>
void batch_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                           std::size_t cols, std::span<const T> mean, std::span<const T> rstd,
                           std::span<T> dgamma) {
  PALINODE_ASSERT(g.size() == rows * cols && x.size() == g.size());
  PALINODE_ASSERT(mean.size() == cols && rstd.size() == cols && dgamma.size() == cols);
  const auto function = table(T{}).gamma_grad;
  for_each_column_range(rows, cols, [&](std::size_t begin, std::size_t end) {
    function(g.data(), x.data(), mean.data(), rstd.data(), rows, cols, begin, end, dgamma.data());
  });
}

template <class T>
void batch_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                     std::span<const T> mean, std::span<const T> rstd, std::span<const T> gamma,
                     std::span<const T> a, std::span<const T> b, std::span<T> dx) {
  PALINODE_ASSERT(g.size() == rows * cols && x.size() == g.size() && dx.size() == g.size());
  PALINODE_ASSERT(mean.size() == cols && rstd.size() == cols && gamma.size() == cols);
  PALINODE_ASSERT(a.size() == cols && b.size() == cols);
  const ColumnScale<T> scale = {mean.data(), rstd.data(), gamma.data(), nullptr};
  const auto function = table(T{}).row_grad;
  for_each_row(rows, cols, [&](std::size_t at) {
    function(g.data() + at, x.data() + at, scale, a.data(), b.data(), dx.data() + at, cols);
  });
}

#define PALINODE_BATCH_NORM(T)                                                                    \
  template void batch_statistics(std::span<const T>, std::size_t, std::size_t, std::span<T>,      \
                                 std::span<T>);                                                   \
  template void reciprocal_deviation(std::span<const T>, T, std::span<T>);                        \
  template void batch_norm(std::span<const T>, std::size_t, std::size_t, std::span<const T>,      \
                           std::span<const T>, std::span<const T>, std::span<const T>,            \
                           std::span<T>);                                                         \
  template void batch_norm_gamma_grad(std::span<const T>, std::span<const T>, std::size_t,        \
                                      std::size_t, std::span<const T>, std::span<const T>,        \
                                      std::span<T>);                                              \
  template void batch_norm_grad(std::span<const T>, std::span<const T>, std::size_t, std::size_t, \
                                std::span<const T>, std::span<const T>, std::span<const T>,       \
                                std::span<const T>, std::span<const T>, std::span<T>)
PALINODE_BATCH_NORM(float);
PALINODE_BATCH_NORM(double);
#undef PALINODE_BATCH_NORM

}  // namespace palinode::kernels
#endif  // HWY_ONCE
