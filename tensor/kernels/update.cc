#include "tensor/kernels/update.h"

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

#include "tensor/kernels/update-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Writes values and knows whether all of them are finite: as bits, the sizes of those that are not
// lie at or above that of an infinity.
template <class T>
class Finite {
 public:
  HWY_INLINE Finite() : largest_(hn::Zero(DBits())) {}
  template <class Access>
  HWY_INLINE void write(Access access, hn::Vec<hn::ScalableTag<T>> x, T* out) {
    access.store(D(), x, out);
    const auto size = hn::BitCast(DBits(), hn::Abs(x));
    largest_ = hn::Max(largest_, kept(access, size));
  }
  HWY_INLINE bool all() const {
    const auto infinity = hn::BitCast(DBits(), hn::Inf(D()));
    return hn::AllTrue(DBits(), hn::Lt(largest_, infinity));
  }

 private:
  using D = hn::ScalableTag<T>;
  using DBits = hn::RebindToUnsigned<D>;
  static HWY_INLINE hn::Vec<DBits> kept(Whole, hn::Vec<DBits> size) { return size; }
  // Lanes that are not stored hold what a rule makes of zeros.
  static HWY_INLINE hn::Vec<DBits> kept(Part part, hn::Vec<DBits> size) {
    return hn::IfThenElseZero(hn::FirstN(DBits(), part.count), size);
  }
  hn::Vec<DBits> largest_;
};

template <class T>
bool sgd(const SgdStep<T>& step, const T* g, const T* w, T* w_out, std::size_t n) {
  const hn::ScalableTag<T> d;
  Finite<T> finite;
  for_each_vector(d, n, [=, &finite](auto access, std::size_t i) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    finite.write(access, SgdWeight(d, step, weight, gradient), w_out + i);
  });
  return finite.all();
}

template <class T>
bool sgd_momentum(const SgdStep<T>& step, const T* g, const T* w, const T* v, T* w_out, T* v_out,
                  std::size_t n) {
  const hn::ScalableTag<T> d;
  Finite<T> finite;
  for_each_vector(d, n, [=, &finite](auto access, std::size_t i) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    const auto velocity = Velocity(d, step, access.load(d, v + i), gradient);
    const auto direction = SgdDirection(d, step, gradient, velocity);
    finite.write(access, velocity, v_out + i);
    finite.write(access, SgdWeight(d, step, weight, direction), w_out + i);
  });
  return finite.all();
}

template <class T>
void prepare_gradient(T scale, T limit, const T* g, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, PreparedGradient(d, scale, limit, access.load(d, g + i)), out + i);
  });
}

template <class T>
bool rmsprop(const RmsPropStep<T>& step, const T* g, const T* w, RmsPropPointers<const T> old,
             T* w_out, RmsPropPointers<T> out, std::size_t n) {
  const hn::ScalableTag<T> d;
  Finite<T> finite;
  for_each_vector(d, n, [=, &finite](auto access, std::size_t i) HWY_ATTR {
    const auto weight = access.load(d, w + i);
    const auto gradient = DecayedGradient(d, step, access.load(d, g + i), weight);
    const auto square = MeanSquare(d, step, access.load(d, old.s + i), gradient);
    auto variance = square;
    if (old.m != nullptr) {
      const auto mean = MeanGradient(d, step, access.load(d, old.m + i), gradient);
      variance = Centered(d, square, mean);
      finite.write(access, mean, out.m + i);
    }
    const auto root = hn::Add(hn::Sqrt(variance), hn::Set(d, step.eps));
    auto direction = hn::Div(gradient, root);
    if (old.v != nullptr) {
      direction = Velocity(d, step, access.load(d, old.v + i), direction);
      finite.write(access, direction, out.v + i);
    }
    finite.write(access, square, out.s + i);
    finite.write(access, SgdWeight(d, step, weight, direction), w_out + i);
  });
  return finite.all();
}

template <class T>
bool adam(const AdamStep<T>& step, const T* g, const T* w, const T* m, const T* v, T* w_out,
          T* m_out, T* v_out, std::size_t n) {
  const hn::ScalableTag<T> d;
  Finite<T> finite;
  for_each_vector(d, n, [=, &finite](auto access, std::size_t i) HWY_ATTR {
    const auto gradient = access.load(d, g + i);
    const auto weight = access.load(d, w + i);
    const auto first = FirstMoment(d, step, access.load(d, m + i), gradient);
    const auto second = SecondMoment(d, step, access.load(d, v + i), gradient);
    finite.write(access, first, m_out + i);
    finite.write(access, second, v_out + i);
    finite.write(access, AdamWeight(d, step, weight, first, second), w_out + i);
  });
  return finite.all();
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

// Calls part(begin, end) on the threads' shares of n values; whether it was true of all.
template <class Part>
bool all_of_parts(std::size_t n, const Part& part) {
  std::atomic<bool> all = true;
  const auto body = [&](std::size_t begin, std::size_t end) {
    if (!part(begin, end)) all.store(false, std::memory_order_relaxed);
  };
  parallel_for(n, kMinPerThread, std::ref(body));
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
bool sgd(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<T> w_out) {
  PALINODE_ASSERT(w.size() == g.size() && w_out.size() == g.size());
  const auto function = table(T{}).sgd;
  const auto body = [&](std::size_t i, std::size_t end) {
    return function(step, g.data() + i, w.data() + i, w_out.data() + i, end - i);
  };
  return all_of_parts(g.size(), body);
}

template <class T>
bool sgd_momentum(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w,
                  std::span<const T> v, std::span<T> w_out, std::span<T> v_out) {
  PALINODE_ASSERT(w.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).sgd_momentum;
  const auto body = [&](std::size_t i, std::size_t end) {
    return function(step, g.data() + i, w.data() + i, v.data() + i, w_out.data() + i,
                    v_out.data() + i, end - i);
  };
  return all_of_parts(g.size(), body);
}

template <class T>
bool adam(const AdamStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<const T> m,
          std::span<const T> v, std::span<T> w_out, std::span<T> m_out, std::span<T> v_out) {
  PALINODE_ASSERT(w.size() == g.size() && m.size() == g.size() && v.size() == g.size());
  PALINODE_ASSERT(w_out.size() == g.size() && m_out.size() == g.size() && v_out.size() == g.size());
  const auto function = table(T{}).adam;
  const auto body = [&](std::size_t i, std::size_t end) {
    return function(step, g.data() + i, w.data() + i, m.data() + i, v.data() + i, w_out.data() + i,
                    m_out.data() + i, v_out.data() + i, end - i);
  };
  return all_of_parts(g.size(), body);
}

template <class T>
bool rmsprop(const RmsPropStep<T>& step, std::span<const T> g, std::span<const T> w,
             const RmsPropMoments<const T>& old, std::span<T> w_out, const RmsPropMoments<T>& out) {
  PALINODE_ASSERT(w.size() == g.size() && w_out.size() == g.size());
  PALINODE_ASSERT(old.s.size() == g.size() && out.s.size() == g.size());
  PALINODE_ASSERT(old.m.size() == out.m.size() && (old.m.empty() || old.m.size() == g.size()));
  PALINODE_ASSERT(old.v.size() == out.v.size() && (old.v.empty() || old.v.size() == g.size()));
  const auto function = table(T{}).rmsprop;
  const auto body = [&](std::size_t i, std::size_t end) {
    return function(step, g.data() + i, w.data() + i, pointers(old, i), w_out.data() + i,
                    pointers(out, i), end - i);
  };
  return all_of_parts(g.size(), body);
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
                      const RmsPropMoments<float>&);
template bool sgd(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                  std::span<float>);
template bool sgd_momentum(const SgdStep<float>&, std::span<const float>, std::span<const float>,
                           std::span<const float>, std::span<float>, std::span<float>);
template bool adam(const AdamStep<float>&, std::span<const float>, std::span<const float>,
                   std::span<const float>, std::span<const float>, std::span<float>,
                   std::span<float>, std::span<float>);
template void axpy(float, std::span<const float>, std::span<const float>, std::span<float>);
template void prepare_gradient(double, double, std::span<const double>, std::span<double>);
template bool rmsprop(const RmsPropStep<double>&, std::span<const double>, std::span<const double>,
                      const RmsPropMoments<const double>&, std::span<double>,
                      const RmsPropMoments<double>&);
template bool sgd(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                  std::span<double>);
template bool sgd_momentum(const SgdStep<double>&, std::span<const double>, std::span<const double>,
                           std::span<const double>, std::span<double>, std::span<double>);
template bool adam(const AdamStep<double>&, std::span<const double>, std::span<const double>,
                   std::span<const double>, std::span<const double>, std::span<double>,
                   std::span<double>, std::span<double>);
template void axpy(double, std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
