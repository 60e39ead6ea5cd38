#include "tensor/kernels/rope.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/attention_table.h"
#include "tensor/kernels/math.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/rope.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// a' = a c - b s,  b' = b c + a s for n pairs; backwards, s counts with the other sign.
template <bool kBackwards, class T>
void turn(const T* a, const T* b, const T* cos, const T* sin, T* a_out, T* b_out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto c = access.load(d, cos + i), s = access.load(d, sin + i);
    const auto x = access.load(d, a + i), y = access.load(d, b + i);
    const auto xc = hn::Mul(x, c), ys = hn::Mul(y, s), yc = hn::Mul(y, c), xs = hn::Mul(x, s);
    access.store(d, kBackwards ? hn::Add(xc, ys) : hn::Sub(xc, ys), a_out + i);
    access.store(d, kBackwards ? hn::Sub(yc, xs) : hn::Add(yc, xs), b_out + i);
  });
}

template <class T>
RopeTable<T> make_table() {
  return {.forwards = turn<false, T>, .backwards = turn<true, T>};
}

RopeTable<float> rope_f32() { return make_table<float>(); }
RopeTable<double> rope_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(rope_f32);
HWY_EXPORT(rope_f64);

RopeTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(rope_f32)(); }
RopeTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(rope_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 32768;

template <class T>
void turn_neighbours(const T* x, const T* cos, const T* sin, bool backwards, T* out,
                     std::size_t pairs) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const T a = x[2 * i], b = x[2 * i + 1], s = backwards ? -sin[i] : sin[i];
    out[2 * i] = a * cos[i] - b * s;
    out[2 * i + 1] = b * cos[i] + a * s;
  }
}

}  // namespace

void rope_angles(std::size_t positions, std::size_t head_dim, double base, std::span<double> cos,
                 std::span<double> sin) {
  const std::size_t half = head_dim / 2;
  PALINODE_ASSERT(head_dim % 2 == 0 && cos.size() == positions * half);
  PALINODE_ASSERT(sin.size() == cos.size());
  if (cos.empty()) return;
  double log_base = 0;
  log({&base, 1}, {&log_base, 1});
  const std::span<double> speed = sin.first(half);  // of position 1
  for (std::size_t i = 0; i < half; ++i) {
    speed[i] = 0 - static_cast<double>(2 * i) / static_cast<double>(head_dim) * log_base;
  }
  exp(speed, speed);
  for (std::size_t at = cos.size(); at-- > 0;) {
    cos[at] = static_cast<double>(at / half) * speed[at % half];
  }
  kernels::sin(cos, sin);
  kernels::cos(cos, cos);
}

template <class T>
void rope(const RopeShape& s, std::span<const T> x, std::span<const T> cos, std::span<const T> sin,
          bool backwards, std::span<T> out) {
  const std::size_t half = s.head_dim / 2, turned = s.heads * s.head_dim;
  PALINODE_ASSERT(s.head_dim % 2 == 0 && turned <= s.cols && (s.rows == 0 || s.time > 0));
  PALINODE_ASSERT(x.size() == s.rows * s.cols && out.size() == x.size());
  PALINODE_ASSERT(cos.size() == s.time * half && sin.size() == cos.size());
  const RopeTable<T> functions = table(T{});
  const auto halves = backwards ? functions.backwards : functions.forwards;
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const T* from = x.data() + r * s.cols;
      T* to = out.data() + r * s.cols;
      const T *c = cos.data() + r % s.time * half, *si = sin.data() + r % s.time * half;
      for (std::size_t at = 0; at < turned; at += s.head_dim) {
        if (s.interleaved) {
          turn_neighbours(from + at, c, si, backwards, to + at, half);
        } else {
          halves(from + at, from + at + half, c, si, to + at, to + at + half, half);
        }
      }
      std::copy(from + turned, from + s.cols, to + turned);
    }
  };
  parallel_for(s.rows, kMinPerThread / std::max<std::size_t>(s.cols, 1) + 1, std::ref(body));
}

template void rope(const RopeShape&, std::span<const float>, std::span<const float>,
                   std::span<const float>, bool, std::span<float>);
template void rope(const RopeShape&, std::span<const double>, std::span<const double>,
                   std::span<const double>, bool, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
