#include "experiments/precision/judge.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "experiments/precision/judge.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// After foreach_target.h, which includes this file once for every target.
#include "experiments/precision/exact.h"
#include "tensor/error.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::experiments::precision::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::NearestF32;

// r = the f32 nearest to y; the places where y moved by `margin` ULPs either way rounds to another
// one go to `open`. Returns how many. n is a multiple of kStep.
HWY_NOINLINE std::size_t round_all(const double* y, std::uint64_t margin, float* r,
                                   std::uint32_t* open, std::size_t n) {
  const hn::ScalableTag<double> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Rebind<float, decltype(d)> df;
  const auto step = hn::Set(du, margin);
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto bits = hn::BitCast(du, hn::LoadU(d, y + i));
    const auto below = NearestF32(df, hn::BitCast(d, hn::Sub(bits, step)));
    const auto above = NearestF32(df, hn::BitCast(d, hn::Add(bits, step)));
    hn::StoreU(NearestF32(df, hn::LoadU(d, y + i)), df, r + i);
    if (hn::AllTrue(df, hn::Eq(below, above))) continue;
    for (std::size_t j = i; j < i + hn::Lanes(d); ++j) open[count++] = std::uint32_t(j);
  }
  return count;
}

// per_ulp[i] of exact[i], which is clamped to +-2^128 as f32 overflows.
HWY_NOINLINE void scale_all(double* exact, double* per_ulp, std::size_t n) {
  const hn::ScalableTag<double> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto limit = hn::Set(d, 0x1p128);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto y = hn::LoadU(d, exact + i);
    const auto within = hn::Min(hn::Max(y, hn::Neg(limit)), limit);
    hn::StoreU(hn::IfThenElse(hn::Eq(y, y), within, y), d, exact + i);
    auto e = hn::BitCast(di, hn::ShiftRight<52>(hn::BitCast(du, hn::Abs(within))));
    e = hn::IfThenElse(hn::Lt(e, hn::Set(di, 1023 - 126)), hn::Set(di, 1023 - 126), e);
    e = hn::IfThenElse(hn::Gt(e, hn::Set(di, 1023 + 127)), hn::Set(di, 1023 + 127), e);
    e = hn::Sub(hn::Set(di, 2 * 1023 + 23), e);
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<52>(e)), d, per_ulp + i);
  }
}

// The largest error, and the places where the result is not `nearest` in every bit.
HWY_NOINLINE double judge_all(const double* exact, const double* per_ulp, const float* nearest,
                              const float* results, std::uint32_t* open, std::size_t* opened,
                              std::size_t n) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const auto limit = hn::Set(d, 0x1p128);
  auto worst = hn::Zero(d);
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto f = hn::LoadU(df, results + i);
    const auto r = hn::LoadU(df, nearest + i);
    const auto y = hn::LoadU(d, exact + i);
    const auto wide = hn::PromoteTo(d, f);
    const auto within = hn::Min(hn::Max(wide, hn::Neg(limit)), limit);
    const auto error = hn::Mul(hn::Abs(hn::Sub(within, y)), hn::LoadU(d, per_ulp + i));
    const auto number = hn::And(hn::Eq(wide, wide), hn::Eq(y, y));
    worst = hn::Max(worst, hn::IfThenElseZero(number, error));
    if (hn::AllTrue(du, hn::Eq(hn::BitCast(du, f), hn::BitCast(du, r)))) continue;
    for (std::size_t j = i; j < i + hn::Lanes(d); ++j) open[count++] = std::uint32_t(j);
  }
  *opened = count;
  HWY_ALIGN double lanes[hn::MaxLanes(hn::ScalableTag<double>())];
  hn::Store(worst, d, lanes);
  return *std::max_element(lanes, lanes + hn::Lanes(d));
}

HWY_NOINLINE std::size_t falls(const float* y, std::size_t n) {
  const hn::ScalableTag<float> d;
  std::size_t count = 0, i = 1;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    count += hn::CountTrue(d, hn::Lt(hn::LoadU(d, y + i), hn::LoadU(d, y + i - 1)));
  }
  for (; i < n; ++i) count += y[i] < y[i - 1] ? 1 : 0;
  return count;
}

// The number of places up to the last whole vector where a is not b with the bits of `flip` turned.
HWY_NOINLINE std::size_t differences(const float* a, const float* b, std::uint32_t flip,
                                     std::size_t n) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  std::size_t count = 0;
  for (std::size_t i = 0; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto u = hn::LoadU(d, a + i), v = hn::LoadU(d, b + i);
    const auto turned = hn::BitCast(d, hn::Xor(hn::BitCast(du, u), hn::Set(du, flip)));
    const auto nan = hn::And(hn::IsNaN(u), hn::IsNaN(v));
    const auto same = hn::Eq(hn::BitCast(du, turned), hn::BitCast(du, v));
    count += hn::Lanes(d) - hn::CountTrue(d, hn::Or(nan, hn::RebindMask(d, same)));
  }
  return count;
}

std::size_t lanes_f32() { return hn::Lanes(hn::ScalableTag<float>()); }

}  // namespace
}  // namespace palinode::experiments::precision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::experiments::precision {
namespace {

HWY_EXPORT(round_all);
HWY_EXPORT(scale_all);
HWY_EXPORT(judge_all);
HWY_EXPORT(falls);
HWY_EXPORT(differences);
HWY_EXPORT(lanes_f32);

constexpr std::size_t kStep = 8;  // a multiple of every target's lanes of f64

std::size_t padded(std::size_t n) { return (n + kStep - 1) / kStep * kStep; }

void count_difference(float result, float nearest, double error, Tally& tally) {
  const bool nan = std::isnan(result), expected_nan = std::isnan(nearest);
  if (nan && expected_nan) return;
  if (nan != expected_nan) {
    ++tally.special;
    ++tally.misrounded;
    return;
  }
  if (result == nearest) {
    if (std::signbit(result) != std::signbit(nearest)) ++tally.zero_sign;
    return;
  }
  ++tally.misrounded;
  ++tally.above[error <= 1 ? 0 : error <= 2 ? 1 : error <= 4 ? 2 : 3];
}

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  inputs += other.inputs;
  misrounded += other.misrounded;
  special += other.special;
  zero_sign += other.zero_sign;
  for (std::size_t i = 0; i < above.size(); ++i) above[i] += other.above[i];
  if (other.max_ulp > max_ulp) {
    max_ulp = other.max_ulp;
    worst = other.worst;
  }
  return *this;
}

double per_ulp_f32(double exact) {
  const double size = std::clamp(std::abs(exact), 0x1p-126, 0x1p127);
  return std::ldexp(1, 23 - std::ilogb(size));
}

double ulp_error_f32(float result, double exact) {
  if (std::isnan(result) || std::isnan(exact)) {
    return std::isnan(result) && std::isnan(exact) ? 0 : HUGE_VAL;
  }
  const auto within = [](double value) { return std::clamp(value, -0x1p128, 0x1p128); };
  return std::abs(within(static_cast<double>(result)) - within(exact)) * per_ulp_f32(exact);
}

void settle(const Reference& reference, Truth& truth) {
  const std::size_t n = truth.x.size(), whole = padded(n);
  truth.nearest.resize(whole);
  truth.exact.assign(whole, 0);
  truth.per_ulp.resize(whole);
  truth.decided = 0;
  truth.max_distance = 0;
  const std::span<double> near = std::span(truth.exact).first(n);
  reference.near(truth.x, near);
  std::vector<std::uint32_t> open(whole);
  const std::size_t count = HWY_DYNAMIC_DISPATCH(round_all)(
      truth.exact.data(), reference.margin, truth.nearest.data(), open.data(), whole);
  const auto ask = [&](std::size_t i, bool measured) {
    Exact exact(static_cast<double>(truth.x[i]));
    reference.exact(exact.get(), exact.get());
    truth.nearest[i] = mpfr_get_flt(exact.get(), MPFR_RNDN);
    ++truth.decided;
    if (measured && std::abs(truth.nearest[i]) >= 0x1p-126F) {
      truth.max_distance = std::max(truth.max_distance, ulp_error(near[i], exact.get()));
    }
    near[i] = mpfr_get_d(exact.get(), MPFR_RNDN);
  };
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = open[k];
    // Zeros, infinities and NaN are what they are.
    if (i >= n || !std::isfinite(truth.x[i]) || !std::isfinite(near[i]) || near[i] == 0) continue;
    const auto bits = std::bit_cast<std::uint64_t>(near[i]);
    const auto below = static_cast<float>(std::bit_cast<double>(bits - reference.margin));
    const auto above = static_cast<float>(std::bit_cast<double>(bits + reference.margin));
    if (below == above) continue;
    if (reference.half_at_zero && std::abs(truth.x[i]) < 0x1p-60F) {
      truth.nearest[i] = static_cast<float>(std::nextafter(near[i], HUGE_VAL));
    } else {
      ask(i, !reference.doubtful(truth.x[i]));
    }
  }
  for (std::size_t i = 0; i < n && reference.has_doubts(); ++i) {
    if (reference.doubtful(truth.x[i])) ask(i, false);
  }
  HWY_DYNAMIC_DISPATCH(scale_all)(truth.exact.data(), truth.per_ulp.data(), whole);
}

Tally judge(const Truth& truth, std::span<const float> results, double known) {
  PALINODE_ASSERT(results.size() == truth.x.size());
  const std::size_t n = truth.x.size(), whole = truth.exact.size();
  std::vector<float> padding;
  if (whole != n) {
    padding.assign(results.begin(), results.end());
    padding.insert(padding.end(), truth.nearest.begin() + static_cast<std::ptrdiff_t>(n),
                   truth.nearest.end());
  }
  const float* f = whole == n ? results.data() : padding.data();
  std::vector<std::uint32_t> open(whole);
  std::size_t count = 0;
  Tally tally{.inputs = n};
  tally.max_ulp =
      HWY_DYNAMIC_DISPATCH(judge_all)(truth.exact.data(), truth.per_ulp.data(),
                                      truth.nearest.data(), f, open.data(), &count, whole);
  const auto error = [&](std::size_t i) {
    const double y = std::clamp(static_cast<double>(f[i]), -0x1p128, 0x1p128);
    return std::abs(y - truth.exact[i]) * truth.per_ulp[i];
  };
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = open[k];
    if (std::bit_cast<std::uint32_t>(f[i]) == std::bit_cast<std::uint32_t>(truth.nearest[i])) {
      continue;
    }
    count_difference(f[i], truth.nearest[i], error(i), tally);
  }
  for (std::size_t i = 0; i < n && tally.max_ulp > known; ++i) {
    if (error(i) == tally.max_ulp) {
      tally.worst = truth.x[i];
      break;
    }
  }
  return tally;
}

std::uint64_t count_falls(std::span<const float> y) {
  return HWY_DYNAMIC_DISPATCH(falls)(y.data(), y.size());
}

std::uint64_t count_asymmetric(std::span<const float> positive, std::span<const float> negative,
                               bool odd) {
  const std::uint32_t flip = odd ? 0x80000000U : 0;
  const std::size_t n = positive.size(), lanes = HWY_DYNAMIC_DISPATCH(lanes_f32)();
  std::uint64_t count =
      HWY_DYNAMIC_DISPATCH(differences)(positive.data(), negative.data(), flip, n);
  for (std::size_t i = n / lanes * lanes; i < n; ++i) {
    if (std::isnan(positive[i]) && std::isnan(negative[i])) continue;
    const std::uint32_t turned = std::bit_cast<std::uint32_t>(positive[i]) ^ flip;
    count += turned == std::bit_cast<std::uint32_t>(negative[i]) ? 0 : 1;
  }
  return count;
}

}  // namespace palinode::experiments::precision
#endif  // HWY_ONCE
