#include "tensor/kernels/update.h"

#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/update.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/update-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void sgd(const SgdStep<T>& step, const T* g, const T* w, T* w_out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    access.store(d, SgdWeight(d, step, weight, gradient), w_out + i);
  });
}

template <class T>
void sgd_momentum(const SgdStep<T>& step, const T* g, const T* w, const T* v, T* w_out, T* v_out,
                  std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    const auto velocity = Velocity(d, step, access.load(d, v + i), gradient);
    access.store(d, velocity, v_out + i);
    access.store(d, SgdWeight(d, step, weight, velocity), w_out + i);
  });
}

template <class T>
void adam(const AdamStep<T>& step, const T* g, const T* w, const T* m, const T* v, T* w_out,
          T* m_out, T* v_out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto gradient = access.load(d, g + i);
    const auto weight = access.load(d, w + i);
    const auto first = FirstMoment(d, step, access.load(d, m + i), gradient);
    const auto second = SecondMoment(d, step, access.load(d, v + i), gradient);
    access.store(d, first, m_out + i);
    access.store(d, second, v_out + i);
    access.store(d, AdamWeight(d, step, weight, first, second), w_out + i);
  });
}

template <class T>
void axpy(T s, const T* x, const T* y, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto scaled = hn::Mul(hn::Set(d, s), access.load(d, x + i));
    access.store(d, hn::Add(access.load(d, y + i), scaled), out + i);
  });
}

template <class T>
UpdateTable<T> make_table() {
  return {.sgd = sgd<T>, .sgd_momentum = sgd_momentum<T>, .adam = adam<T>, .axpy = axpy<T>};
}

UpdateTable<float> update_f32() { return make_table<float>(); }
UpdateTable<double> update_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(update_f32);
HWY_EXPORT(update_f64);

UpdateTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(update_f32)(); }
UpdateTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(update_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 16384;

}  // namespace

template <class T>
void sgd(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<T> w_out) {
  PALINODE_ASSERT(w.size() == g.size() && w_out.size() == g.size());
  const auto function = table(T{}).sgd;
  const auto body = [&](std::size_t i, std::size_t end) {
    function(step, g.data() + i, w.data() + i, w_out.data() + i, end - i);
  };
  parallel_for(g.size(), kMinPerThread, std::ref(body));
}

template <class T>
void sgd_momentum(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w,
                  std::span<const T> v, std::span<T> w_out, std::span<T> v_out) {
  PALINODE_ASSERT(w.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).sgd_momentum;
  const auto body = [&](std::size_t i, std::size_t end) {
    function(step, g.data() + i, w.data() + i, v.data() + i, w_out.data() + i, v_out.data() + i,
             end - i);
  };
  parallel_for(g.size(), kMinPerThread, std::ref(body));
}

template <class T>
void adam(const AdamStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<const T> m,
          std::span<const T> v, std::span<T> w_out, std::span<T> m_out, std::span<T> v_out) {
  PALINODE_ASSERT(w.size() == g.size() && m.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && m_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).adam;
  const auto body = [&](std::size_t i, std::size_t end) {
    function(step, g.data() + i, w.data() + i, m.data() + i, v.data() + i, w_out.data() + i,
             m_out.data() + i, v_out.data() + i, end - i);
  };
  parallel_for(g.size(), kMinPerThread, std::ref(body));
}

template <class T>
void axpy(T s, std::span<const T> x, std::span<const T> y, std::span<T> out) {
  PALINODE_ASSERT(y.size() == x.size() && out.size() == x.size());
  const auto function = table(T{}).axpy;
  const auto body = [&](std::size_t i, std::size_t end) {
    function(s, x.data() + i, y.data() + i, out.data() + i, end - i);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent /= 2) {
    if (exponent % 2 != 0) result = result * base;
    base = base * base;
  }
  return result;
}

template void sgd(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                  std::span<float>);
template void sgd_momentum(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                           std::span<const float>, std::span<float>, std::span<float>);
template void adam(const AdamStep<float>&, std::span<const float>, std::span<const float>,
                   std::span<const float>, std::span<const float>, std::span<float>,
                   std::span<float>, std::span<float>);
template void axpy(float, std::span<const float>, std::span<const float>, std::span<float>);
template void sgd(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                  std::span<double>);
template void sgd_momentum(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                           std::span<const double>, std::span<double>, std::span<double>);
template void adam(const AdamStep<double>&, std::span<const double>, std::span<const double>,
                   std::span<const double>, std::span<const double>, std::span<double>,
                   std::span<double>, std::span<double>);
template void axpy(double, std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
