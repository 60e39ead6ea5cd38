#include "tensor/kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// RMS norm is layer norm with a mean of zero, which takes nothing away: x - 0 is x.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE V normalized(D d, V x, RowScale<T> row) {
  return hn::Mul(hn::Sub(x, hn::Set(d, row.mean)), hn::Set(d, row.rstd));
}

// mean, and 1 / sqrt(mean of (x - mean)^2 + eps).
template <class T>
HWY_INLINE RowScale<T> scale_about(T mean, const T* x, std::size_t n, T eps) {
  const hn::ScalableTag<T> d;
  const T squares = sum_each(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto centred = hn::Sub(access.load(d, x + j), hn::Set(d, mean));
    return hn::Mul(centred, centred);
  });
  return {mean, T{1} / std::sqrt(squares / static_cast<T>(n) + eps)};
}

template <class T>
RowScale<T> layer_statistics(const T* x, std::size_t n, T eps) {
  return scale_about(sum_of(x, n) / static_cast<T>(n), x, n, eps);
}

template <class T>
RowScale<T> rms_statistics(const T* x, std::size_t n, T eps) {
  return scale_about(T{0}, x, n, eps);
}

template <class T>
void layer(const T* x, RowScale<T> row, const T* gamma, const T* beta, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto h = normalized(d, access.load(d, x + j), row);
    const auto scaled = hn::Mul(h, access.load(d, gamma + j));
    access.store(d, hn::Add(scaled, access.load(d, beta + j)), y + j);
  });
}

template <class T>
void rms(const T* x, RowScale<T> row, const T* gamma, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto h = normalized(d, access.load(d, x + j), row);
    access.store(d, hn::Mul(h, access.load(d, gamma + j)), y + j);
  });
}

// dx[j] = ((q[j] - a) - h[j] * b) * rstd with q = g * gamma, b the mean of q * h, and a the mean of
// q or zero.
template <bool kCentred, class T>
void norm_grad(const T* g, const T* x, const T* gamma, RowScale<T> row, T* dx, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto count = static_cast<T>(n);
  const auto q = [=](auto access, std::size_t j)
                     HWY_ATTR { return hn::Mul(access.load(d, g + j), access.load(d, gamma + j)); };
  const auto h = [=](auto access, std::size_t j)
                     HWY_ATTR { return normalized(d, access.load(d, x + j), row); };
  const T a = kCentred ? sum_each(d, n, q) / count : T{0};
  const auto product = [=](auto access, std::size_t j)
                           HWY_ATTR { return hn::Mul(q(access, j), h(access, j)); };
  const T b = sum_each(d, n, product) / count;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto centred = hn::Sub(q(access, j), hn::Set(d, a));
    const auto rest = hn::Sub(centred, hn::Mul(h(access, j), hn::Set(d, b)));
    access.store(d, hn::Mul(rest, hn::Set(d, row.rstd)), dx + j);
  });
}

template <class T>
void gamma_grad(const T* g, const T* x, const T* mean, const T* rstd, std::size_t rows,
                std::size_t cols, std::size_t begin, std::size_t end, T* out) {
  const hn::ScalableTag<T> d;
  const auto value = [=](auto access, std::size_t i, std::size_t j) HWY_ATTR {
    const RowScale<T> row{mean == nullptr ? T{0} : mean[i], rstd[i]};
    const std::size_t at = i * cols + j;
    return hn::Mul(access.load(d, g + at), normalized(d, access.load(d, x + at), row));
  };
  sum_columns(d, rows, begin, end, value, out);
}

template <class T>
NormTable<T> make_table() {
  return {.layer_statistics = layer_statistics<T>,
          .rms_statistics = rms_statistics<T>,
          .layer = layer<T>,
          .rms = rms<T>,
          .layer_grad = norm_grad<true, T>,
          .rms_grad = norm_grad<false, T>,
          .gamma_grad = gamma_grad<T>};
}

NormTable<float> norm_f32() { return make_table<float>(); }
NormTable<double> norm_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(norm_f32);
HWY_EXPORT(norm_f64);

NormTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(norm_f32)(); }
NormTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(norm_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 16384;

// Calls function(i, place of row i's first value) for each row i.
template <class Function>
void for_each_row(std::size_t rows, std::size_t cols, const Function& function) {
  PALINODE_ASSERT(rows == 0 || cols > 0);
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) function(i, i * cols);
  };
  parallel_for(rows, kMinPerThread / std::max<std::size_t>(cols, 1) + 1, std::ref(body));
}

// `mean` is empty for RMS norm.
template <class T>
void sum_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                    std::span<const T> mean, std::span<const T> rstd, std::span<T> dgamma) {
  PALINODE_ASSERT(g.size() == rows * cols && x.size() == g.size());
  PALINODE_ASSERT(rstd.size() == rows && dgamma.size() == cols);
  const auto function = table(T{}).gamma_grad;
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(g.data(), x.data(), mean.data(), rstd.data(), rows, cols, begin, end, dgamma.data());
  };
  parallel_for(cols, kMinPerThread / std::max<std::size_t>(rows, 1) + 64, std::ref(body));
}

}  // namespace

template <class T>
void layer_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> gamma,
                std::span<const T> beta, T eps, std::span<T> y, std::span<T> mean,
                std::span<T> rstd) {
  PALINODE_ASSERT(x.size() == rows * cols && y.size() == x.size());
  PALINODE_ASSERT(gamma.size() == cols && beta.size() == cols);
  PALINODE_ASSERT(mean.size() == rows && rstd.size() == rows);
  const NormTable<T> functions = table(T{});
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    const RowScale<T> row = functions.layer_statistics(x.data() + at, cols, eps);
    functions.layer(x.data() + at, row, gamma.data(), beta.data(), y.data() + at, cols);
    mean[i] = row.mean;
    rstd[i] = row.rstd;
  });
}

template <class T>
void layer_norm_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, T eps,
                           std::span<T> mean, std::span<T> rstd) {
  PALINODE_ASSERT(x.size() == rows * cols && mean.size() == rows && rstd.size() == rows);
  const auto function = table(T{}).layer_statistics;
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    const RowScale<T> row = function(x.data() + at, cols, eps);
    mean[i] = row.mean;
    rstd[i] = row.rstd;
  });
}

template <class T>
void layer_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                     std::span<const T> gamma, std::span<const T> mean, std::span<const T> rstd,
                     std::span<T> dx) {
  PALINODE_ASSERT(g.size() == rows * cols && x.size() == g.size() && dx.size() == g.size());
  PALINODE_ASSERT(gamma.size() == cols && mean.size() == rows && rstd.size() == rows);
  const auto function = table(T{}).layer_grad;
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    function(g.data() + at, x.data() + at, gamma.data(), {mean[i], rstd[i]}, dx.data() + at, cols);
  });
}

template <class T>
void layer_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                           std::size_t cols, std::span<const T> mean, std::span<const T> rstd,
                           std::span<T> dgamma) {
  PALINODE_ASSERT(mean.size() == rows);
  sum_gamma_grad(g, x, rows, cols, mean, rstd, dgamma);
}

template <class T>
void rms_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> gamma,
              T eps, std::span<T> y, std::span<T> rstd) {
  PALINODE_ASSERT(x.size() == rows * cols && y.size() == x.size());
  PALINODE_ASSERT(gamma.size() == cols && rstd.size() == rows);
  const NormTable<T> functions = table(T{});
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    const RowScale<T> row = functions.rms_statistics(x.data() + at, cols, eps);
    functions.rms(x.data() + at, row, gamma.data(), y.data() + at, cols);
    rstd[i] = row.rstd;
  });
}

template <class T>
void rms_norm_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, T eps,
                         std::span<T> rstd) {
  PALINODE_ASSERT(x.size() == rows * cols && rstd.size() == rows);
  const auto function = table(T{}).rms_statistics;
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    rstd[i] = function(x.data() + at, cols, eps).rstd;
  });
}

template <class T>
void rms_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                   std::span<const T> gamma, std::span<const T> rstd, std::span<T> dx) {
  PALINODE_ASSERT(g.size() == rows * cols && x.size() == g.size() && dx.size() == g.size());
  PALINODE_ASSERT(gamma.size() == cols && rstd.size() == rows);
  const auto function = table(T{}).rms_grad;
  for_each_row(rows, cols, [&](std::size_t i, std::size_t at) {
    function(g.data() + at, x.data() + at, gamma.data(), {T{0}, rstd[i]}, dx.data() + at, cols);
  });
}

template <class T>
void rms_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                         std::size_t cols, std::span<const T> rstd, std::span<T> dgamma) {
  sum_gamma_grad(g, x, rows, cols, std::span<const T>(), rstd, dgamma);
}

#define PALINODE_NORM(T)                                                                          \
  template void layer_norm(std::span<const T>, std::size_t, std::size_t, std::span<const T>,      \
                           std::span<const T>, T, std::span<T>, std::span<T>, std::span<T>);      \
  template void layer_norm_statistics(std::span<const T>, std::size_t, std::size_t, T,            \
                                      std::span<T>, std::span<T>);                                \
  template void layer_norm_grad(std::span<const T>, std::span<const T>, std::size_t, std::size_t, \
                                std::span<const T>, std::span<const T>, std::span<const T>,       \
                                std::span<T>);                                                    \
  template void layer_norm_gamma_grad(std::span<const T>, std::span<const T>, std::size_t,        \
                                      std::size_t, std::span<const T>, std::span<const T>,        \
                                      std::span<T>);                                              \
  template void rms_norm(std::span<const T>, std::size_t, std::size_t, std::span<const T>, T,     \
                         std::span<T>, std::span<T>);                                             \
  template void rms_norm_statistics(std::span<const T>, std::size_t, std::size_t, T,              \
                                    std::span<T>);                                                \
  template void rms_norm_grad(std::span<const T>, std::span<const T>, std::size_t, std::size_t,   \
                              std::span<const T>, std::span<const T>, std::span<T>);              \
  template void rms_norm_gamma_grad(std::span<const T>, std::span<const T>, std::size_t,          \
                                    std::size_t, std::span<const T>, std::span<T>)
PALINODE_NORM(float);
PALINODE_NORM(double);
#undef PALINODE_NORM

}  // namespace palinode::kernels
#endif  // HWY_ONCE
