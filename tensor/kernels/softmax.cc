#include "tensor/kernels/softmax.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/softmax.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// e[j] = exp(x[j] - m).
template <class T>
HWY_NOINLINE void shifted_exp(const T* x, T m, T* e, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    access.store(d, Exp(d, hn::Sub(access.load(d, x + j), hn::Set(d, m))), e + j);
  });
}

// log(s), where s is the sum of exp(x[j] - m); a chunk of e at a time is kept.
template <class T>
HWY_NOINLINE T log_sum_exp(const T* x, T m, std::size_t n) {
  const hn::ScalableTag<T> d;
  HWY_ALIGN T e[kSumChunk];
  ChunkSums<T> sums;
  for (std::size_t begin = 0; begin < n; begin += kSumChunk) {
    const std::size_t count = std::min(kSumChunk, n - begin);
    shifted_exp(x + begin, m, e, count);
    sums.add(sum_of(e, count));
  }
  return hn::GetLane(Log(d, hn::Set(d, sums.total())));
}

template <class T>
void softmax(const T* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  shifted_exp(x, max_of(x, n), out, n);
  const T s = sum_of(out, n);
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    access.store(d, hn::Div(access.load(d, out + j), hn::Set(d, s)), out + j);
  });
}

template <class T>
void softmax_grad(const T* g, const T* p, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const T total = sum_each(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    return hn::Mul(access.load(d, g + j), access.load(d, p + j));
  });
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto centred = hn::Sub(access.load(d, g + j), hn::Set(d, total));
    access.store(d, hn::Mul(access.load(d, p + j), centred), out + j);
  });
}

template <class T>
void log_softmax(const T* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const T m = max_of(x, n);
  const T log_s = log_sum_exp(x, m, n);
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto shifted = hn::Sub(access.load(d, x + j), hn::Set(d, m));
    access.store(d, hn::Sub(shifted, hn::Set(d, log_s)), out + j);
  });
}

template <class T>
void log_softmax_grad(const T* g, const T* l, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const T total = sum_of(g, n);
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto share = hn::Mul(Exp(d, access.load(d, l + j)), hn::Set(d, total));
    access.store(d, hn::Sub(access.load(d, g + j), share), out + j);
  });
}

// Several rows at once, so that the functions of short rows fill whole vectors.
template <class T>
void cross_entropy(const T* x, std::size_t rows, std::size_t n, const std::int32_t* labels,
                   T* losses, T* p) {
  constexpr std::size_t kRows = 64;
  const hn::ScalableTag<T> d;
  HWY_ALIGN T sums[kRows];
  HWY_ALIGN T logs[kRows];
  for (std::size_t begin = 0; begin < rows; begin += kRows) {
    const std::size_t count = std::min(kRows, rows - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const T* row = x + (begin + i) * n;
      const T m = max_of(row, n);
      for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
        access.store(d, hn::Sub(access.load(d, row + j), hn::Set(d, m)), p + (begin + i) * n + j);
      });
      losses[begin + i] = p[(begin + i) * n + static_cast<std::size_t>(labels[begin + i])];
    }
    T* const block = p + begin * n;
    for_each_vector(d, count * n, [=](auto access, std::size_t j) HWY_ATTR {
      access.store(d, Exp(d, access.load(d, block + j)), block + j);
    });
    for (std::size_t i = 0; i < count; ++i) sums[i] = sum_of(block + i * n, n);
    for_each_vector(d, count, [&](auto access, std::size_t i) HWY_ATTR {
      access.store(d, Log(d, access.load(d, sums + i)), logs + i);
    });
    for (std::size_t i = 0; i < count; ++i) {
      losses[begin + i] = logs[i] - losses[begin + i];
      T* const row = block + i * n;
      const T s = sums[i];
      for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
        access.store(d, hn::Div(access.load(d, row + j), hn::Set(d, s)), row + j);
      });
    }
  }
}

template <class T>
void cross_entropy_grad(const T* p, std::size_t n, std::size_t label, T r, T* dx) {
  const hn::ScalableTag<T> d;
  // Elsewhere p - 0 is p itself.
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    access.store(d, hn::Mul(access.load(d, p + j), hn::Set(d, r)), dx + j);
  });
  dx[label] = (p[label] - T{1}) * r;
}

template <class T>
SoftmaxTable<T> make_table() {
  return {.softmax = softmax<T>,
          .log_softmax = log_softmax<T>,
          .softmax_grad = softmax_grad<T>,
          .log_softmax_grad = log_softmax_grad<T>,
          .cross_entropy = cross_entropy<T>,
          .cross_entropy_grad = cross_entropy_grad<T>};
}

SoftmaxTable<float> softmax_f32() { return make_table<float>(); }
SoftmaxTable<double> softmax_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(softmax_f32);
HWY_EXPORT(softmax_f64);

SoftmaxTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(softmax_f32)(); }
SoftmaxTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(softmax_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 4096;

// Calls function(i) for each row i.
template <class Function>
void for_each_row(std::size_t rows, std::size_t cols, const Function& function) {
  PALINODE_ASSERT(rows == 0 || cols > 0);
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) function(i);
  };
  parallel_for(rows, kMinPerThread / std::max<std::size_t>(cols, 1) + 1, std::ref(body));
}

std::size_t checked_label(std::int32_t label, std::size_t cols) {
  PALINODE_ASSERT(label >= 0 && static_cast<std::size_t>(label) < cols);
  return static_cast<std::size_t>(label);
}

}  // namespace

template <class T>
void softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(x.size() == rows * cols && out.size() == x.size());
  const auto function = table(T{}).softmax;
  for_each_row(rows, cols,
               [&](std::size_t i) { function(x.data() + i * cols, out.data() + i * cols, cols); });
}

template <class T>
void softmax_grad(std::span<const T> g, std::span<const T> p, std::size_t rows, std::size_t cols,
                  std::span<T> out) {
  PALINODE_ASSERT(g.size() == rows * cols && p.size() == g.size() && out.size() == g.size());
  const auto function = table(T{}).softmax_grad;
  for_each_row(rows, cols, [&](std::size_t i) {
    function(g.data() + i * cols, p.data() + i * cols, out.data() + i * cols, cols);
  });
}

template <class T>
void causal_softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(x.size() == rows * cols && out.size() == x.size());
  const auto function = table(T{}).softmax;
  for_each_row(rows, cols, [&](std::size_t i) {
    const std::size_t seen = i % cols + 1;
    function(x.data() + i * cols, out.data() + i * cols, seen);
    std::fill_n(out.data() + i * cols + seen, cols - seen, T{0});
  });
}

template <class T>
void causal_softmax_grad(std::span<const T> g, std::span<const T> p, std::size_t rows,
                         std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(g.size() == rows * cols && p.size() == g.size() && out.size() == g.size());
  const auto function = table(T{}).softmax_grad;
  for_each_row(rows, cols, [&](std::size_t i) {
    const std::size_t seen = i % cols + 1;
    function(g.data() + i * cols, p.data() + i * cols, out.data() + i * cols, seen);
    std::fill_n(out.data() + i * cols + seen, cols - seen, T{0});
  });
}

template <class T>
void log_softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(x.size() == rows * cols && out.size() == x.size());
  const auto function = table(T{}).log_softmax;
  for_each_row(rows, cols,
               [&](std::size_t i) { function(x.data() + i * cols, out.data() + i * cols, cols); });
}

template <class T>
void log_softmax_grad(std::span<const T> g, std::span<const T> l, std::size_t rows,
                      std::size_t cols, std::span<T> out) {
  PALINODE_ASSERT(g.size() == rows * cols && l.size() == g.size() && out.size() == g.size());
  const auto function = table(T{}).log_softmax_grad;
  for_each_row(rows, cols, [&](std::size_t i) {
    function(g.data() + i * cols, l.data() + i * cols, out.data() + i * cols, cols);
  });
}

template <class T>
void cross_entropy(std::span<const T> x, std::size_t rows, std::size_t cols,
                   std::span<const std::int32_t> labels, std::span<T> losses, std::span<T> p) {
  PALINODE_ASSERT(x.size() == rows * cols && p.size() == x.size());
  PALINODE_ASSERT(labels.size() == rows && losses.size() == rows);
  const auto function = table(T{}).cross_entropy;
  for (const std::int32_t label : labels) checked_label(label, cols);
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin * cols, end - begin, cols, labels.data() + begin,
             losses.data() + begin, p.data() + begin * cols);
  };
  parallel_for(rows, kMinPerThread / std::max<std::size_t>(cols, 1) + 1, body);
}

template <class T>
void cross_entropy_grad(std::span<const T> p, std::size_t rows, std::size_t cols,
                        std::span<const std::int32_t> labels, std::span<const T> r,
                        std::span<T> dx) {
  PALINODE_ASSERT(p.size() == rows * cols && dx.size() == p.size());
  PALINODE_ASSERT(labels.size() == rows && r.size() == rows);
  const auto function = table(T{}).cross_entropy_grad;
  for_each_row(rows, cols, [&](std::size_t i) {
    function(p.data() + i * cols, cols, checked_label(labels[i], cols), r[i], dx.data() + i * cols);
  });
}

#define PALINODE_SOFTMAX(T)                                                                        \
  template void softmax(std::span<const T>, std::size_t, std::size_t, std::span<T>);               \
  template void softmax_grad(std::span<const T>, std::span<const T>, std::size_t, std::size_t,     \
                             std::span<T>);                                                        \
  template void causal_softmax(std::span<const T>, std::size_t, std::size_t, std::span<T>);        \
  template void causal_softmax_grad(std::span<const T>, std::span<const T>, std::size_t,           \
                                    std::size_t, std::span<T>);                                    \
  template void log_softmax(std::span<const T>, std::size_t, std::size_t, std::span<T>);           \
  template void log_softmax_grad(std::span<const T>, std::span<const T>, std::size_t, std::size_t, \
                                 std::span<T>);                                                    \
  template void cross_entropy(std::span<const T>, std::size_t, std::size_t,                        \
                              std::span<const std::int32_t>, std::span<T>, std::span<T>);          \
  template void cross_entropy_grad(std::span<const T>, std::size_t, std::size_t,                   \
                                   std::span<const std::int32_t>, std::span<const T>,              \
                                   std::span<T>)
PALINODE_SOFTMAX(float);
PALINODE_SOFTMAX(double);
#undef PALINODE_SOFTMAX

}  // namespace palinode::kernels
#endif  // HWY_ONCE
