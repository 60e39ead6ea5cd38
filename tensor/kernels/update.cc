#include "tensor/kernels/update.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/update_table.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/update.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/results-inl.h"
#include "tensor/kernels/update-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
bool sgd(const SgdStep<T>& rule, const T* g, const T* w, T* w_out, std::size_t n,
         ChangeLanes<T>* const* changes) {
  const hn::ScalableTag<T> d;
  const SgdStep<T> step = rule;  // no store can change it
  const std::array<T*, 1> out = {w_out};
  return run<1, T>(n, changes, out, [=](auto access, std::size_t i, auto&& writer) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    writer.write(access, 0, weight, SgdWeight(d, step, weight, gradient), w_out + i);
  });
}

template <class T>
bool sgd_momentum(const SgdStep<T>& rule, const T* g, const T* w, const T* v, T* w_out, T* v_out,
                  std::size_t n, ChangeLanes<T>* const* changes) {
  const hn::ScalableTag<T> d;
  const SgdStep<T> step = rule;
  const std::array<T*, 2> out = {w_out, v_out};
  return run<2, T>(n, changes, out, [=](auto access, std::size_t i, auto&& writer) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    const auto before = access.load(d, v + i);
    const auto velocity = Velocity(d, step, before, gradient);
    const auto direction = SgdDirection(d, step, gradient, velocity);
    writer.write(access, 1, before, velocity, v_out + i);
    writer.write(access, 0, weight, SgdWeight(d, step, weight, direction), w_out + i);
  });
}

template <class T>
void prepare_gradient(T scale, T limit, const T* g, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, PreparedGradient(d, scale, limit, access.load(d, g + i)), out + i);
  });
}

template <bool kCentered, bool kMomentum, class T>
HWY_INLINE bool rmsprop_of(const RmsPropStep<T>& rule, const T* g, const T* w,
                           RmsPropPointers<const T> old, T* w_out, RmsPropPointers<T> next,
                           std::size_t n, ChangeLanes<T>* const* changes) {
  const hn::ScalableTag<T> d;
  const RmsPropStep<T> step = rule;
  constexpr std::size_t kVelocity = kCentered ? 3 : 2;
  constexpr std::size_t kOutputs = 2 + std::size_t{kCentered} + std::size_t{kMomentum};
  std::array<T*, kOutputs> out = {w_out, next.s};
  if constexpr (kCentered) out[2] = next.m;
  if constexpr (kMomentum) out[kVelocity] = next.v;
  return run<kOutputs, T>(n, changes, out, [=](auto access, std::size_t i, auto&& writer) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    const auto old_square = access.load(d, old.s + i);
    const auto square = MeanSquare(d, step, old_square, gradient);
    auto variance = square;
    if constexpr (kCentered) {
      const auto old_mean = access.load(d, old.m + i);
      const auto mean = MeanGradient(d, step, old_mean, gradient);
      variance = Centered(d, square, mean);
      writer.write(access, 2, old_mean, mean, next.m + i);
    }
    const auto root = hn::Add(hn::Sqrt(variance), hn::Set(d, step.eps));
    auto direction = hn::Div(gradient, root);
    if constexpr (kMomentum) {
      const auto old_velocity = access.load(d, old.v + i);
      direction = Velocity(d, step, old_velocity, direction);
      writer.write(access, kVelocity, old_velocity, direction, next.v + i);
    }
    writer.write(access, 1, old_square, square, next.s + i);
    writer.write(access, 0, weight, SgdWeight(d, step, weight, direction), w_out + i);
  });
}

template <class T>
bool rmsprop(const RmsPropStep<T>& step, const T* g, const T* w, RmsPropPointers<const T> old,
             T* w_out, RmsPropPointers<T> out, std::size_t n, ChangeLanes<T>* const* changes) {
  if (old.m != nullptr) {
    if (old.v != nullptr) return rmsprop_of<true, true>(step, g, w, old, w_out, out, n, changes);
    return rmsprop_of<true, false>(step, g, w, old, w_out, out, n, changes);
  }
  if (old.v != nullptr) return rmsprop_of<false, true>(step, g, w, old, w_out, out, n, changes);
  return rmsprop_of<false, false>(step, g, w, old, w_out, out, n, changes);
}

template <class T>
bool adam(const AdamStep<T>& rule, const T* g, const T* w, const T* m, const T* v, T* w_out,
          T* m_out, T* v_out, std::size_t n, ChangeLanes<T>* const* changes) {
  const hn::ScalableTag<T> d;
  const AdamStep<T> step = rule;
  const std::array<T*, 3> out = {w_out, m_out, v_out};
  return run<3, T>(n, changes, out, [=](auto access, std::size_t i, auto&& writer) HWY_ATTR {
    const auto gradient = access.load(d, g + i);
    const auto weight = access.load(d, w + i);
    const auto old_first = access.load(d, m + i), old_second = access.load(d, v + i);
    const auto first = FirstMoment(d, step, old_first, gradient);
    const auto second = SecondMoment(d, step, old_second, gradient);
    writer.write(access, 1, old_first, first, m_out + i);
    writer.write(access, 2, old_second, second, v_out + i);
    writer.write(access, 0, weight, AdamWeight(d, step, weight, first, second), w_out + i);
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
  return {.prepare_gradient = prepare_gradient<T>,
          .sgd = sgd<T>,
          .sgd_momentum = sgd_momentum<T>,
          .adam = adam<T>,
          .rmsprop = rmsprop<T>,
          .axpy = axpy<T>};
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

// Calls part(i, n, lanes) for elements [i, i + n), on several threads unless changes are wanted;
// whether it was true of all.
template <class T, class Part>
bool all_of_parts(std::size_t count, Changes<T> changes, const Part& part) {
  if (!changes.empty()) {
    bool all = true;
    for (std::size_t i = 0; i < count;) {
      const std::size_t n = std::min(count - i, changes[0]->room());
      std::array<ChangeLanes<T>*, 4> lanes{};
      for (std::size_t k = 0; k < changes.size(); ++k) lanes[k] = &changes[k]->lanes();
      all &= part(i, n, lanes.data());
      for (ChangeSum<T>* const change : changes) change->passed(n);
      i += n;
    }
    return all;
  }
  std::atomic<bool> all = true;
  const auto body = [&](std::size_t begin, std::size_t end) {
    if (!part(begin, end - begin, nullptr)) all.store(false, std::memory_order_relaxed);
  };
  parallel_for(count, kMinPerThread, std::ref(body));
  return all.load(std::memory_order_relaxed);
}

// Where the values from place i on are; null for none.
template <class T>
RmsPropPointers<T> pointers(const RmsPropMoments<T>& moments, std::size_t i) {
  const auto from = [i](std::span<T> x) { return x.empty() ? nullptr : x.data() + i; };
  return {from(moments.s), from(moments.m), from(moments.v)};
}

}  // namespace

template <class T>
void prepare_gradient(T scale, T limit, std::span<const T> g, std::span<T> out) {
  PALINODE_ASSERT(out.size() == g.size());
  table(T{}).prepare_gradient(scale, limit, g.data(), out.data(), g.size());
}

template <class T>
bool sgd(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<T> w_out,
         Changes<T> changes) {
  PALINODE_ASSERT(changes.empty() || changes.size() == 1);
  PALINODE_ASSERT(w.size() == g.size() && w_out.size() == g.size());
  const auto function = table(T{}).sgd;
  const auto body = [&](std::size_t i, std::size_t n, ChangeLanes<T>* const* lanes) {
    return function(step, g.data() + i, w.data() + i, w_out.data() + i, n, lanes);
  };
  return all_of_parts(g.size(), changes, body);
}

template <class T>
bool sgd_momentum(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w,
                  std::span<const T> v, std::span<T> w_out, std::span<T> v_out,
                  Changes<T> changes) {
  PALINODE_ASSERT(changes.empty() || changes.size() == 2);
  PALINODE_ASSERT(w.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).sgd_momentum;
  const auto body = [&](std::size_t i, std::size_t n, ChangeLanes<T>* const* lanes) {
    return function(step, g.data() + i, w.data() + i, v.data() + i, w_out.data() + i,
                    v_out.data() + i, n, lanes);
  };
  return all_of_parts(g.size(), changes, body);
}

template <class T>
bool adam(const AdamStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<const T> m,
          std::span<const T> v, std::span<T> w_out, std::span<T> m_out, std::span<T> v_out,
          Changes<T> changes) {
  PALINODE_ASSERT(changes.empty() || changes.size() == 3);
  PALINODE_ASSERT(w.size() == g.size() && m.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && m_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).adam;
  const auto body = [&](std::size_t i, std::size_t n, ChangeLanes<T>* const* lanes) {
    return function(step, g.data() + i, w.data() + i, m.data() + i, v.data() + i, w_out.data() + i,
                    m_out.data() + i, v_out.data() + i, n, lanes);
  };
  return all_of_parts(g.size(), changes, body);
}

template <class T>
bool rmsprop(const RmsPropStep<T>& step, std::span<const T> g, std::span<const T> w,
             const RmsPropMoments<const T>& old, std::span<T> w_out, const RmsPropMoments<T>& out,
             Changes<T> changes) {
  PALINODE_ASSERT(changes.empty() ||
                  changes.size() == 2 + (old.m.empty() ? 0U : 1U) + (old.v.empty() ? 0U : 1U));
  PALINODE_ASSERT(w.size() == g.size() && w_out.size() == g.size());
  PALINODE_ASSERT(old.s.size() == g.size() && out.s.size() == g.size());
  PALINODE_ASSERT(old.m.size() == out.m.size() && (old.m.empty() || old.m.size() == g.size()));
  PALINODE_ASSERT(old.v.size() == out.v.size() && (old.v.empty() || old.v.size() == g.size()));
  const auto function = table(T{}).rmsprop;
  const auto body = [&](std::size_t i, std::size_t n, ChangeLanes<T>* const* lanes) {
    return function(step, g.data() + i, w.data() + i, pointers(old, i), w_out.data() + i,
                    pointers(out, i), n, lanes);
  };
  return all_of_parts(g.size(), changes, body);
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

template void prepare_gradient(float, float, std::span<const float>, std::span<float>);
template bool rmsprop(const RmsPropStep<float>&, std::span<const float>, std::span<const float>,
                      const RmsPropMoments<const float>&, std::span<float>,
                      const RmsPropMoments<float>&, Changes<float>);
template bool sgd(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                  std::span<float>, Changes<float>);
template bool sgd_momentum(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                           std::span<const float>, std::span<float>, std::span<float>,
                           Changes<float>);
template bool adam(const AdamStep<float>&, std::span<const float>, std::span<const float>,
                   std::span<const float>, std::span<const float>, std::span<float>,
                   std::span<float>, std::span<float>, Changes<float>);
template void axpy(float, std::span<const float>, std::span<const float>, std::span<float>);
template void prepare_gradient(double, double, std::span<const double>, std::span<double>);
template bool rmsprop(const RmsPropStep<double>&, std::span<const double>, std::span<const double>,
                      const RmsPropMoments<const double>&, std::span<double>,
                      const RmsPropMoments<double>&, Changes<double>);
template bool sgd(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                  std::span<double>, Changes<double>);
template bool sgd_momentum(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                           std::span<const double>, std::span<double>, std::span<double>,
                           Changes<double>);
template bool adam(const AdamStep<double>&, std::span<const double>, std::span<const double>,
                   std::span<const double>, std::span<const double>, std::span<double>,
                   std::span<double>, std::span<double>, Changes<double>);
template void axpy(double, std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
