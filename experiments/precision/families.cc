#include "experiments/precision/families.h"

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace palinode::experiments::precision {
namespace {

const Family kFamilies[] = {
    {"uniform", Spread::kUniform},
    {"normal", Spread::kNormal},
    {"positive", Spread::kPositive},
    {"condition 1e2", Spread::kCondition, 1e2},
    {"condition 1e4", Spread::kCondition, 1e4},
    {"condition 1e6", Spread::kCondition, 1e6},
    {"condition 1e8", Spread::kCondition, 1e8},
    {"condition 1e10", Spread::kCondition, 1e10},
    {"condition 1e12", Spread::kCondition, 1e12},
    {"2^-100 to 2^100", Spread::kRange},
    {"subnormal", Spread::kSubnormal},
};

double symmetric(const Rng& rng, std::size_t i) { return 2 * rng.uniform(i) - 1; }

// Values and their exponents.
struct Streams {
  explicit Streams(const Rng& rng) : values(rng), exponents(rng.stream("exponent")) {}
  Rng values, exponents;
};

// `range` is the largest exponent of kRange, `tiny` the scale of kSubnormal.
float draw_one(const Family& family, const Streams& rng, std::size_t i, int range, double tiny) {
  switch (family.spread) {
    case Spread::kNormal:
      return static_cast<float>(rng.values.normal(i));
    case Spread::kPositive:
      return static_cast<float>(rng.values.uniform(i));
    case Spread::kRange: {
      const double exponent = std::floor(symmetric(rng.exponents, i) * range);
      return static_cast<float>(std::ldexp(symmetric(rng.values, i), static_cast<int>(exponent)));
    }
    case Spread::kSubnormal:
      return static_cast<float>(symmetric(rng.values, i) * tiny);
    default:
      return static_cast<float>(symmetric(rng.values, i));
  }
}

// The exponents of algorithm 6.1: random up to `largest` in the first half, then falling to 0.
int exponent_at(const Streams& rng, std::size_t i, std::size_t n, double largest) {
  const std::size_t half = n / 2;
  if (i == 0) return static_cast<int>(std::lround(largest)) + 1;
  if (i < half) return static_cast<int>(std::lround(rng.exponents.uniform(i) * largest));
  const double left = n - 1 == half ? 0 : double(n - 1 - i) / double(n - 1 - half);
  return static_cast<int>(std::lround(largest * left));
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

void Pair::add(double x) {
  const double sum = hi + x;
  const double part = sum - hi;
  lo += (hi - (sum - part)) + (x - part);
  hi = sum;
}

TermTruth sum_truth(std::span<const float> x) {
  TermTruth truth;
  for (const float value : x) {
    truth.total.add(static_cast<double>(value));
    truth.size += std::abs(static_cast<double>(value));
  }
  return truth;
}

TermTruth dot_truth(std::span<const float> a, std::span<const float> b) {
  TermTruth truth;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double product = static_cast<double>(a[i]) * static_cast<double>(b[i]);
    truth.total.add(product);
    truth.size += std::abs(product);
  }
  return truth;
}

double exact_dot(std::span<const float> a, std::span<const float> b) {
  mpfr_t total, product;
  mpfr_init2(total, 2200);
  mpfr_init2(product, 64);
  mpfr_set_zero(total, 1);
  for (std::size_t i = 0; i < a.size(); ++i) {
    mpfr_set_flt(product, a[i], MPFR_RNDN);
    mpfr_mul_d(product, product, static_cast<double>(b[i]), MPFR_RNDN);
    mpfr_add(total, total, product, MPFR_RNDN);
  }
  const double value = mpfr_get_d(total, MPFR_RNDN);
  mpfr_clear(total);
  mpfr_clear(product);
  return value;
}

void draw_sum(const Family& family, const Rng& stream, std::span<float> x) {
  const std::size_t n = x.size();
  const Streams rng(stream);
  if (family.spread != Spread::kCondition) {
    for (std::size_t i = 0; i < n; ++i) x[i] = draw_one(family, rng, i, 100, 0x1p-130);
    return;
  }
  Pair total;
  double size = 0;
  const double largest = std::log2(family.condition);
  for (std::size_t i = 0; i < n; ++i) {
    double term = std::ldexp(symmetric(rng.values, i), exponent_at(rng, i, n, largest));
    if (i + 1 == n) term = size / family.condition;
    x[i] = static_cast<float>(i < n / 2 ? term : term - total.value());
    total.add(static_cast<double>(x[i]));
    size += std::abs(static_cast<double>(x[i]));
  }
  const Rng order = stream.stream("order");
  for (std::size_t i = n; i > 1; --i) std::swap(x[i - 1], x[order.below(i, i)]);
}

void draw_dot(const Family& family, const Rng& rng, std::span<float> a, std::span<float> b) {
  const std::size_t n = a.size();
  const Streams left(rng.stream("a")), right(rng.stream("b"));
  if (family.spread != Spread::kCondition) {
    for (std::size_t i = 0; i < n; ++i) {
      a[i] = draw_one(family, left, i, 50, 0x1p-70);
      b[i] = draw_one(family, right, i, 50, 0x1p-65);
    }
    return;
  }
  Pair total;
  double size = 0;
  const double largest = std::log2(family.condition) / 2;
  for (std::size_t i = 0; i < n; ++i) {
    const int exponent = exponent_at(left, i, n, largest);
    a[i] = static_cast<float>(std::ldexp(symmetric(left.values, i), exponent));
    double term = std::ldexp(symmetric(right.values, i), exponent);
    if (i + 1 == n) term = size / family.condition;
    const auto first = static_cast<double>(a[i]);
    b[i] = static_cast<float>(i < n / 2 ? term : (term - total.value()) / first);
    total.add(first * static_cast<double>(b[i]));
    size += std::abs(first * static_cast<double>(b[i]));
  }
  const Rng order = rng.stream("order");
  for (std::size_t i = n; i > 1; --i) {
    const std::size_t j = order.below(i, i);
    std::swap(a[i - 1], a[j]);
    std::swap(b[i - 1], b[j]);
  }
}

}  // namespace palinode::experiments::precision
