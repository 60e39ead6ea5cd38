// The fast variants once more, written from the second appendix of docs/arithmetic.md alone.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace palinode::oracle {

struct Pair {
  float h, l;
};

struct ReducedExp {
  float s, t;
};

constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kLn2Hi = 0x1.62e430p-1f;
constexpr float kLn2Lo = -0x1.05c610p-29f;
constexpr float kShift = 0x1.8p23f;
constexpr float kQuietNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::array kExpCoefficients = {0x1p-1f, 0x1.5554aap-3f, 0x1.55553ap-5f, 0x1.122c54p-7f,
                                         0x1.6ccea2p-10f};

inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline float value_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline float signed_as(float x, float y) { return value_of(bits_of(y) | (bits_of(x) & 1u << 31)); }
inline float at_most(float x, float limit) { return x > limit ? limit : x; }
inline float at_least(float x, float limit) { return x < limit ? limit : x; }

template <std::size_t n>
float horner(float x, const std::array<float, n>& c) {
  float y = c[n - 1];
  for (std::size_t i = n - 1; i-- > 0;) y = std::fma(y, x, c[i]);
  return y;
}

inline Pair sum_of(float a, float b) {
  const float h = a + b;
  return {h, b - (h - a)};
}

inline float small_expm1(float r, const std::array<float, 5>& c) {
  return std::fma(r * r, horner(r, c), r);
}

inline ReducedExp reduce(float x, float low) {
  const float s = std::fma(x, kLog2E, kShift);
  const float k = s - kShift;
  const float r = std::fma(k, -kLn2Hi, x) + std::fma(k, -kLn2Lo, low);
  return {s, small_expm1(r, kExpCoefficients)};
}

inline float pow2(float s, float c) { return value_of((bits_of(s) << 23) + bits_of(c)); }

inline Pair twoexp(float x, float low, float c) {
  const auto [s, t] = reduce(x, low);
  const auto [h, l] = sum_of(1, t);
  const float p = pow2(s, c);
  return {h * p, l * p};
}

inline Pair one_plus(Pair e, float c) {
  const float h = std::fma(e.h, c, 1.0f);
  return {h, std::fma(e.l, c, std::fma(e.h, c, 1 - h))};
}

inline Pair times(float x, Pair e) {
  const float h = x * e.h;
  return {h, std::fma(x, e.l, std::fma(x, e.h, -h))};
}

inline float divide(Pair n, Pair m) {
  const float i = 1 / m.h;
  const float q = n.h * i;
  return std::fma(std::fma(-q, m.h, n.h) + std::fma(-q, m.l, n.l), i, q);
}

inline float exp_fast(float x, const std::array<float, 5>& c = kExpCoefficients) {
  x = at_least(x, -104);
  float s = std::fma(x, kLog2E, kShift);
  s = value_of(static_cast<std::uint32_t>(std::min(
      static_cast<std::int32_t>(bits_of(s)), static_cast<std::int32_t>(bits_of(kShift + 129)))));
  const float k = s - kShift;
  const float r = std::fma(k, -kLn2Lo, std::fma(k, -kLn2Hi, x));
  const float y = 1 + small_expm1(r, c);
  return x < 0 ? (y * pow2(s, 0x1p64f)) * 0x1p-64f : (y * pow2(s, 0x1p-64f)) * 0x1p64f;
}

inline float log_fast(float x) {
  if (x != x || x < 0) return kQuietNan;
  if (x == 0) return -std::numeric_limits<float>::infinity();
  if (std::isinf(x)) return x;
  float bias = 0;
  if (x < 0x1p-126f) {
    x = x * 0x1p23f;
    bias = -23;
  }
  const std::uint32_t b = bits_of(x) - 0x3f2aaaab;
  const float k = static_cast<float>(static_cast<std::int32_t>(b) >> 23) + bias;
  const float f = value_of((b & 0x007fffff) + 0x3f2aaaab) - 1;
  const float series = horner(
      f, std::array{-0x1p-1f, 0x1.5554eep-2f, -0x1.ffffd8p-3f, 0x1.99db04p-3f, -0x1.556ec8p-3f,
                    0x1.1e2ab2p-3f, -0x1.f89f1cp-4f, 0x1.2191b2p-3f, -0x1.f6a9c8p-4f});
  return std::fma(k, kLn2Hi, f + std::fma(k, kLn2Lo, (f * f) * series));
}

inline float tanh_fast(float x) {
  const float a = at_most(std::abs(x), 9.1f);
  const auto [s, t] = reduce(a * -2, 0);
  const float p = pow2(s, 1);
  const float u = 1 - p;
  const float n = std::fma(p, -t, u);
  const float d = std::fma(p, t, 1 + p);
  const Pair above = {n, std::fma(p, -t, u - n)};
  return signed_as(x, divide(above, {d, std::fma(p, t, p - (d - 1))}));
}

inline float sigmoid_fast(float x) {
  x = at_most(at_least(x, -104), 40);
  const bool tiny = x < -40;
  const float o = tiny ? 0x1p-64f : 1;
  const Pair e = twoexp(-std::abs(x), 0, tiny ? 0x1p64f : 1);
  return divide(x < 0 ? e : Pair{1, 0}, one_plus(e, o)) * o;
}

inline float gelu_tanh_fast(float x) {
  if (x > 6) return x;
  const float y = at_least(x, -11);
  const bool tiny = y < -6;
  const float o = tiny ? 0x1p-64f : 1;
  const float b = 0x1.2444f2p-4f;
  const float z = y * y;
  const float z_low = std::fma(y, y, -z);
  const float v = std::fma(b, z, 0x1.988450p+0f);
  const float rest = std::fma(b, z_low, std::fma(0x1.49b16ap-29f, z, 0x1.9ea1b2p-23f));
  const Pair u = times(-std::abs(y), {v, std::fma(b, z, 0x1.988450p+0f - v) + rest});
  const Pair e = twoexp(u.h, u.l, tiny ? 0x1p64f : 1);
  return signed_as(x, divide(y < 0 ? times(y, e) : Pair{y, 0}, one_plus(e, o)) * o);
}

inline float erf_fast(float x) {
  const float a = at_most(std::abs(x), 3.93f);
  if (a > 0.9f) {
    const auto [s, t] = reduce(
        -(a * horner(a, std::array{0x1.20ee4ap+0f, 0x1.45392ep-1f, 0x1.b2ce18p-4f, -0x1.84259cp-6f,
                                   0x1.d903f8p-9f, -0x1.49d946p-12f, 0x1.5d601cp-17f})),
        0);
    const float p = pow2(s, 1);
    return signed_as(x, 1 - std::fma(p, t, p));
  }
  const float series =
      horner(a * a, std::array{0x1.06eba8p-3f, -0x1.812740p-2f, 0x1.ce2d60p-4f, -0x1.b8007ap-6f,
                               0x1.5441a4p-8f, -0x1.a5aa6cp-11f, 0x1.4de160p-14f});
  return signed_as(x, std::fma(a, series, a));
}

inline float gelu_fast(float x) {
  if (x > 8) return x;
  const float inside = at_least(x, -14.6f);
  const float a = std::abs(inside);
  const bool tiny = inside < -8;
  const float z = a * a;
  const Pair e = twoexp(z * -0.5f, std::fma(a, a, -z) * -0.5f, tiny ? 0x1p64f : 1);
  const float b = a + 2;
  const float b_low = a - (b - 2);
  const float w = 1 / b;
  const float w_low = w * std::fma(-w, b_low, std::fma(-w, b, 1.0f));
  const float v = w - 0x1.8p-3f;
  const float g =
      horner(v, std::array{0x1.3dbd08p+0f, 0x1.c2b2e4p-1f, -0x1.02ca8ap+1f, -0x1.48b54ep+1f,
                           0x1.008beep+3f, 0x1.00a4e0p+2f, -0x1.3fd46ep+5f, 0x1.1e2438p+5f,
                           0x1.f94fe4p+6f, -0x1.687a76p+8f, 0x1.22f098p+8f});
  const float h = g * v;
  const float h_low = std::fma(g, w_low, std::fma(g, v, -h));
  Pair p = sum_of(0x1.2f105ap-1f, h);
  p.l = p.l + (h_low + 0x1.60cbbep-27f);
  const float m = p.h * w;
  const float m_low = std::fma(p.h, w_low, std::fma(p.l, w, std::fma(p.h, w, -m)));
  const Pair q = times(-a, {m, m_low});
  const float low = std::fma(q.h, e.l, q.l * e.h);
  const float f = x > 0 ? x : 0;
  const float y = std::fma(q.h, e.h, f);
  return signed_as(x, (y + (std::fma(q.h, e.h, f - y) + low)) * (tiny ? 0x1p-64f : 1));
}

inline float rsqrt_fast(float x) {
  if (!(x >= 0x1p-126f && x < std::numeric_limits<float>::infinity())) return 1 / std::sqrt(x);
  const float g = value_of(0x5f3759df - (bits_of(x) >> 1));
  const float e = std::fma(-(x * g), g, 1.0f);
  const float h = std::fma(g * e, std::fma(0.375f, e, 0x1.00966p-1f), g);
  return std::fma(h * 0.5f, std::fma(-(x * h), h, 1.0f), h);
}

}  // namespace palinode::oracle
