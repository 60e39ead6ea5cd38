#include "tests/support/scalar_math.h"

#include <cmath>
#include <limits>

#include "tests/support/scalar_pairs.h"
#include "tests/support/scalar_tables.h"

namespace palinode::scalar {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// e^(x + x') = 2^k (1 + e).
struct Exponential {
  double k;
  Pair e;
};

Exponential expm1(double x, double x_low) {
  const double k = (x * 0x1.71547652b82fep+0 + kShift) - kShift;
  const double r0 = x - k * 0x1.62e42fefa3800p-1;
  const double t = k * 0x1.ef35793c76730p-45 - x_low;
  const double r = r0 - t;
  const double h = top(r);
  const double l = (r0 - h) - t;
  const Pair a = sum(h, (0.5 * h) * h);
  const double c =
      ((r * r) * r) * poly(r, {1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
                               1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600,
                               1.0 / 6227020800.0, 1.0 / 87178291200.0});
  return {k, sum(a.h, a.l + ((l + l * (h + 0.5 * l)) + c))};
}

// The pair is 1 + e.
Exponential exp1(double x, double x_low) {
  const Exponential r = expm1(x, x_low);
  const Pair a = sum(1, r.e.h);
  return {r.k, sum(a.h, a.l + r.e.l)};
}

struct Scaled {
  Pair y;
  double k;
};

Scaled logistic(Pair a, bool negative) {
  const auto [k, e] = exp1(-a.h, -a.l);
  const double p = pow2(k < -1000 ? -1000 : k);
  Pair d = sum(1, e.h * p);
  d.l = d.l + e.l * p;
  const Pair q = negative ? divide(e, d) : divide({1, 0}, d);
  return {sum(q.h, q.l), negative ? k : 0};
}

// s(w) (1 + r s(-w)), s the sigmoid, where w and r have the sign of x.
double gated_slope(double x, Pair w, Pair r) {
  const auto [y, k] = logistic(w, x < 0);
  const auto [z, j] = logistic(w, !(x < 0));
  const double p = std::copysign(pow2(j < -1000 ? -1000 : j), x);
  const Pair t = multiply(r, z);
  return scale(multiply(y, add({1, 0}, {t.h * p, t.l * p})).h, k);
}

Pair series(const Row* table, double a) {
  const std::uint64_t b = bits(a + 33.0 / 32);
  const double c = value((b & 0xffff000000000000) | 0x0000800000000000) - 33.0 / 32;
  const double h = a - c;
  const double hh = top(h);
  const double hl = h - hh;
  const Row& t = table[(b >> 48) - 0x3ff0];
  const Pair y = sum(t[0], t[2] * hh);
  const double rest =
      poly(h, {t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]});
  return sum(y.h, y.l + (t[1] + ((t[3] * h + t[2] * hl) + (h * h) * rest)));
}

double with_sign_of(double x, double y) { return std::copysign(y, x); }

// a = j pi/2 + r modulo 2 pi.
Reduced reduce(double a) {
  if (!(a <= 0x1p20)) return reduce_exactly(a);
  const double w = a * 0x1.45f306dc9c883p-1 + kShift;
  const double n = w - kShift;
  const Pair s = twosum(a - n * 0x1.921fb544p+0, 0 - n * 0x1.0b4611a6p-34);
  const Pair t = twosum(s.h, 0 - n * 0x1.3198a2ep-69);
  return {static_cast<int>(bits(w) % 4), sum(t.h, (t.l + s.l) - n * 0x1.b839a252049c1p-104)};
}

constexpr double kS[] = {-1.0 / 6, 1.0 / 120, -1.0 / 5040};
constexpr double kC[] = {1.0 / 24, -1.0 / 720, 1.0 / 40320};

double sine(int j, Pair r) {
  const bool negative = r.h < 0;
  const double a = std::abs(r.h);
  const double a_low = negative ? -r.l : r.l;
  const double w = a * 32 + kShift;
  const SineRow& row = sine_table()[bits(w) % 32];
  const double h = a - (w - kShift) * 0x1p-5;
  const double hh = top(h);
  const double hl = h - hh;
  const double z = h * h;
  const bool odd = j % 2 != 0;
  const Pair p = odd ? row.cos : row.sin;
  const Pair q = odd ? Pair{0 - row.sin.h, 0 - row.sin.l} : row.cos;
  const double u = (q.l * h + q.h * hl) + (q.h - p.h * h) * a_low;
  const double v = (p.h + p.l) * (z * poly(z, {-0.5, kC[0], kC[1], kC[2]})) +
                   (q.h + q.l) * ((h * z) * poly(z, {kS[0], kS[1], kS[2]}));
  const Pair y = sum(p.h, q.h * hh);
  const double size = y.h + (y.l + (p.l + (u + v)));
  const bool changed = (j % 4 >= 2) != (!odd && negative);
  return changed ? -size : size;
}

struct Turn {
  double sin;
  double cos;
};

Turn turn(double u) {
  const double w = u * 4 + kShift;
  const std::uint64_t j = bits(w) % 4;
  const double t = u - (w - kShift) * 0.25;
  const double th = top(t);
  const Pair x =
      sum(th * 0x1.921fb5p+2, th * 0x1.110b4611a6263p-24 + (t - th) * 0x1.921fb54442d18p+2);
  const double z = x.h * x.h;
  const double s =
      x.h + (x.l + (x.h * z) * poly(z, {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880,
                                        -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0,
                                        1.0 / 355687428096000.0}));
  const double xh = top(x.h);
  const double xl = (x.h - xh) + x.l;
  const Pair a = sum(1, 0 - (0.5 * xh) * xh);
  const double c =
      a.h + (a.l + ((z * z) * poly(z, {1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800,
                                       1.0 / 479001600, -1.0 / 87178291200.0,
                                       1.0 / 20922789888000.0, -1.0 / 6402373705728000.0}) -
                    xl * (xh + 0.5 * xl)));
  const Turn result[] = {{s, c}, {c, -s}, {-s, -c}, {-c, s}};
  return {result[j].sin + 0.0, result[j].cos + 0.0};
}

}  // namespace

double exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 720) x = 720;
  if (x < -760) x = -760;
  const auto [k, y] = exp1(x, 0);
  return scale(y.h, k);
}

double log(double x) {
  if (std::isnan(x) || x < 0) return kNan;
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return x;
  double bias = 1023;
  if (x < 0x1p-1022) {
    x = x * 0x1p54;
    bias = 1077;
  }
  const std::uint64_t b = bits(x) + (0x3ff0000000000000 - 0x3fe6a09e00000000);
  const double k = static_cast<double>(b >> 52) - bias;
  const double m = value((b & 0x000fffffffffffff) + 0x3fe6a09e00000000);
  const double f = m - 1;
  const Pair d = sum(2, f);
  const double s = f / d.h;
  const Pair q = divide({f, 0}, d);
  const double z = s * s;
  const double t = (s * z) * poly(z, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13,
                                      2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23});
  const Pair a = sum(k * 0x1.62e42fefa3800p-1, q.h + q.h);
  return a.h + (a.l + ((q.l + q.l) + (t + k * 0x1.ef35793c76730p-45)));
}

double tanh(double x) {
  if (std::isnan(x)) return x;
  const double a = std::abs(x) > 20 ? 20 : std::abs(x);
  const auto [k, e] = expm1(a + a, 0);
  const double p = pow2(k);
  const double h = p * e.h;
  const double l = p * e.l;
  const Pair u = sum(p, -1);
  Pair n = sum(u.h, h);
  n.l = (n.l + u.l) + l;
  const Pair v = sum(p, 1);
  Pair d = sum(v.h, h);
  d.l = (d.l + v.l) + l;
  const Pair q = divide(n, d);
  return with_sign_of(x, q.h + q.l);
}

double sigmoid(double x) {
  if (std::isnan(x)) return x;
  const double a = std::abs(x) > 760 ? 760 : std::abs(x);
  const auto [y, k] = logistic({a, 0}, x < 0);
  return scale(y.h, k);
}

double gelu_tanh(double x) {
  if (std::isnan(x) || x > 20) return x;
  const Pair a{std::abs(x) > 22 ? 22 : std::abs(x), 0};
  const Pair t = multiply(multiply(a, a), {0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c70p-61});
  Pair s = twosum(0x1.9884533d43651p+0, t.h);
  s = sum(s.h, s.l + (t.l + -0x1.cbc0d30ebfd15p-54));
  const auto [y, k] = logistic(multiply(a, s), x < 0);
  return with_sign_of(x, scale(multiply(a, y).h, k));
}

double erf(double x) {
  if (std::isnan(x)) return x;
  if (std::abs(x) < 0x1p-960)
    return with_sign_of(x, series(erf_table(), std::abs(x) * 0x1p64).h) * 0x1p-64;
  const double a = std::abs(x) > 6.5 ? 6.5 : std::abs(x);
  return with_sign_of(x, series(erf_table(), a).h);
}

double gelu(double x) {
  if (std::isnan(x) || x > 20) return x;
  const Pair a{std::abs(x) > 38.75 ? 38.75 : std::abs(x), 0};
  const Pair s = multiply(a, a);
  const auto [k, e] = exp1(-0.5 * s.h, -0.5 * s.l);
  const Pair b = multiply(series(mills_table(), a.h), e);
  if (x < 0) return with_sign_of(x, scale(multiply(a, b).h, k));
  const double p = pow2(k < -1000 ? -1000 : k);
  Pair c = sum(1, 0 - b.h * p);
  c.l = c.l - b.l * p;
  return with_sign_of(x, multiply(a, c).h);
}

double rsqrt(double x) { return 1 / std::sqrt(x); }

double silu(double x) {
  if (std::isnan(x) || x > 40) return x;
  const Pair a{std::abs(x) > 760 ? 760 : std::abs(x), 0};
  const auto [y, k] = logistic(a, x < 0);
  return with_sign_of(x, scale(multiply(a, y).h, k));
}

double sin(double x) {
  if (!std::isfinite(x)) return kNan;
  const Reduced angle = reduce(std::abs(x));
  const double y = sine(angle.quadrant, angle.r);
  return std::signbit(x) ? -y : y;
}

double cos(double x) {
  if (!std::isfinite(x)) return kNan;
  const Reduced angle = reduce(std::abs(x));
  return sine(angle.quadrant + 1, angle.r);
}

double sin_of_turns(double u) { return turn(u).sin; }
double cos_of_turns(double u) { return turn(u).cos; }

double erf_slope(double x) {
  if (std::isnan(x)) return x;
  const Pair a{std::abs(x) > 27.5 ? 27.5 : std::abs(x), 0};
  const Pair s = multiply(a, a);
  const auto [k, e] = exp1(-s.h, -s.l);
  return scale(multiply(e, {0x1.20dd750429b6dp+0, 0x1.1ae3a914fed8p-56}).h, k);
}

double gelu_slope(double x) {
  if (std::isnan(x)) return x;
  const Pair a{std::abs(x) > 38.75 ? 38.75 : std::abs(x), 0};
  const Pair s = multiply(a, a);
  const auto [k, e] = exp1(-0.5 * s.h, -0.5 * s.l);
  const Pair line = multiply(a, {-0x1.9884533d43651p-2, 0x1.cbc0d30ebfd15p-56});
  const Pair b = multiply(add(series(mills_table(), a.h), line), e);
  if (x < 0) return scale(b.h, k);
  const double p = pow2(k < -1000 ? -1000 : k);
  return add({1, 0}, {0 - b.h * p, 0 - b.l * p}).h;
}

double gelu_tanh_slope(double x) {
  if (std::isnan(x)) return x;
  const Pair a{std::abs(x) > 22 ? 22 : std::abs(x), 0};
  const Pair q = multiply(a, a);
  const Pair c{0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54};
  const Pair w = multiply(a, add(c, multiply(q, {0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61})));
  const Pair r = multiply(a, add(c, multiply(q, {0x1.b6676bf7450fp-3, 0x1.bba7351828aabp-57})));
  return gated_slope(x, w, r);
}

double silu_slope(double x) {
  if (std::isnan(x)) return x;
  const Pair a{std::abs(x) > 760 ? 760 : std::abs(x), 0};
  return gated_slope(x, a, a);
}

}  // namespace palinode::scalar
