// Unevaluated sums and the other common steps of docs/arithmetic.md, appendix, in plain C++.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace palinode::scalar {

inline constexpr double kShift = 0x1.8p52;

// The unevaluated sum h + l.
struct Pair {
  double h;
  double l;
};

inline std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }
inline double value(std::uint64_t b) { return std::bit_cast<double>(b); }
inline double top(double x) { return value(bits(x) & 0xfffffffff8000000); }
inline double pow2(double k) { return value((bits(k + kShift) + 1023) << 52); }

inline double poly(double x, std::initializer_list<double> c) {
  auto next = c.end();
  double y = *--next;
  while (next != c.begin()) y = y * x + *--next;
  return y;
}

inline Pair sum(double a, double b) {
  const double h = a + b;
  return {h, b - (h - a)};
}

inline Pair twosum(double a, double b) {
  const double h = a + b;
  const double t = h - a;
  return {h, (a - (h - t)) + (b - t)};
}

inline Pair add(Pair a, Pair b) {
  const Pair lead = twosum(a.h, b.h);
  return twosum(lead.h, lead.l + (a.l + b.l));
}

inline double scale(double y, double k) {
  if (k > 1000) return (y * pow2(k - 128)) * 0x1p128;
  if (k < -1000) return (y * pow2(k + 128)) * 0x1p-128;
  return y * pow2(k);
}

inline Pair multiply(Pair a, Pair b) {
  const double ah = top(a.h);
  const double al = (a.h - ah) + a.l;
  const double bh = top(b.h);
  const double bl = (b.h - bh) + b.l;
  return sum(ah * bh, ah * bl + al * b.h);
}

inline Pair divide(Pair a, Pair b) {
  const double q = top(a.h / b.h);
  const double bh = top(b.h);
  const double bl = b.h - bh;
  const double r = ((a.h - q * bh) - q * bl) + (a.l - q * b.l);
  return {q, r / b.h};
}

}  // namespace palinode::scalar
