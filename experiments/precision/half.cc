#include "experiments/precision/half.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "experiments/precision/contenders.h"
#include "experiments/precision/errors.h"
#include "experiments/precision/exact.h"
#include "experiments/progress.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/float16.h"
#include "tensor/kernels/convert.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/parallel.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kValues = 65536;

// An 11- or 8-bit significand and the exponents of the format.
struct Format {
  const char* name;
  int precision, emin, emax;  // numbers are below 2^(emax + 1), normal from 2^emin
};
constexpr Format kBf16{"bf16", 8, -126, 127}, kF16{"f16", 11, -14, 15};

double ulp_of(const Format& format, double y) {
  const double size =
      std::clamp(std::abs(y), std::ldexp(1, format.emin), std::ldexp(1, format.emax));
  return std::ldexp(1, std::ilogb(size) - (format.precision - 1));
}

// y rounded to odd at 53 bits, to the format's nearest, ties to even.
double rounded(const Format& format, double y) {
  if (!std::isfinite(y) || y == 0) return y;
  const double ulp = ulp_of(format, y);
  const double nearest = std::nearbyint(y / ulp) * ulp;
  const double limit = std::ldexp(1, format.emax + 1);
  return std::abs(nearest) >= limit ? std::copysign(HUGE_VAL, y) : std::copysign(nearest, y);
}

// The f64 next to y on the side of the exact value whose last bit is one, unless y is exact. `rest`
// has the sign of exact - y.
double to_odd(double y, double rest) {
  if (rest == 0 || !std::isfinite(y)) return y;
  const auto bits = std::bit_cast<std::uint64_t>(y);
  if (bits % 2 == 1) return y;
  const bool away = (rest > 0) == (y > 0);
  return std::bit_cast<double>(away ? bits + 1 : bits - 1);
}

double odd_sum(double a, double b) {
  const double sum = a + b;
  if (!std::isfinite(sum)) return sum;
  const double part = sum - a;
  return to_odd(sum, (a - (sum - part)) + (b - part));
}

double odd_quotient(double a, double b) {
  const double q = a / b;
  if (!std::isfinite(q) || q == 0 || std::isinf(b)) return q;
  const double rest = std::fma(-q, b, a);
  return to_odd(q, b > 0 ? rest : -rest);
}

double odd_result(char operation, double a, double b) {
  switch (operation) {
    case 'a':
      return odd_sum(a, b);
    case 's':
      return odd_sum(a, -b);
    case 'm':
      return a * b;  // 16 bits: exact
    default:
      return odd_quotient(a, b);
  }
}

float value_of(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// y, rounded to odd at 53 bits, to bf16's nearest: to odd at 24 bits, then to even at 8. Every NaN
// is one.
std::uint16_t narrowed(double y) {
  if (std::isnan(y)) return BFloat16::kNan;
  const auto near = static_cast<float>(y);
  auto bits = std::bit_cast<std::uint32_t>(near);
  const auto wide = static_cast<double>(near);
  if (wide != y && bits % 2 == 0) bits += std::abs(wide) < std::abs(y) ? 1 : ~0U;
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// A bf16 value as its bits; every NaN as one.
std::uint16_t bits_of(double y) {
  if (std::isnan(y)) return BFloat16::kNan;
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(y)) >> 16);
}

template <class Half>
std::vector<float> all_values() {
  std::vector<Half> halves(kValues);
  for (std::size_t i = 0; i < kValues; ++i) halves[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> x(kValues);
  kernels::widen<Half, float>(halves, x);
  return x;
}

// The exact values, rounded to odd: MPFR's 256 bits cut to 53 with the last bit saying that more
// follow.
std::vector<double> exact_values(const Reference& reference, std::span<const float> x) {
  std::vector<double> y(x.size());
  reference.near(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || x[i] == 0 || !std::isfinite(y[i])) continue;
    Exact exact(static_cast<double>(x[i]));
    reference.exact(exact.get(), exact.get());
    const double cut = mpfr_get_d(exact.get(), MPFR_RNDZ);
    if (!std::isfinite(cut)) continue;
    y[i] = to_odd(cut, mpfr_cmp_d(exact.get(), cut) > 0   ? 1
                       : mpfr_cmp_d(exact.get(), cut) < 0 ? -1
                                                          : 0);
  }
  return y;
}

template <class Half>
Json measure_format(const Format& format, const Reference& reference) {
  const std::vector<float> x = all_values<Half>();
  const std::vector<double> exact = exact_values(reference, x);
  Json json = {{"format", format.name}};
  for (const Contender& contender : contenders(reference)) {
    std::vector<float> y(kValues), result(kValues);
    std::vector<Half> narrow(kValues);
    contender.run(x, y);
    kernels::narrow<float, Half>(y, narrow);
    kernels::widen<Half, float>(narrow, result);
    std::uint64_t inputs = 0, misrounded = 0;
    double worst = 0;
    std::size_t worst_at = 0;
    for (std::size_t i = 0; i < kValues; ++i) {
      if (!contender.documents(x[i])) continue;
      ++inputs;
      const auto got = static_cast<double>(result[i]);
      const double want = rounded(format, exact[i]);
      if (got == want || (std::isnan(got) && std::isnan(want))) continue;
      ++misrounded;
      const double limit = std::ldexp(1, format.emax + 1);
      const double error =
          std::isnan(got) || std::isnan(want)
              ? HUGE_VAL
              : std::abs(std::clamp(got, -limit, limit) - std::clamp(exact[i], -limit, limit)) /
                    ulp_of(format, exact[i]);
      if (error > worst) {
        worst = error;
        worst_at = i;
      }
    }
    Xxh3 digest;
    digest.add(std::span<const float>(result));
    json["contenders"].push_back({{"name", contender.name},
                                  {"inputs", inputs},
                                  {"misrounded", misrounded},
                                  {"max_ulp", json_number(misrounded == 0 ? 0.5 : worst)},
                                  {"worst_input", fmt::format("{:04x}", worst_at)},
                                  {"digest", hex(digest.finish())}});
  }
  return json;
}

using Operation = void (*)(std::span<const float>, std::span<const float>, std::span<float>);

Operation kernel_of(std::string_view operation) {
  if (operation == "add") return kernels::add<float>;
  if (operation == "sub") return kernels::sub<float>;
  if (operation == "mul") return kernels::mul<float>;
  PALINODE_ASSERT(operation == "div");
  return kernels::div<float>;
}

// What one left operand gives with all right ones.
struct PairRow {
  std::uint64_t misrounded = 0, zero_sign = 0;
  std::uint32_t first = 0;  // the first wrong pair, left operand above
  Xxh3Digest digest{};
};

PairRow measure_row(std::string_view operation, std::uint16_t left, std::span<const float> right) {
  std::vector<float> a(kValues, value_of(left)), y(kValues);
  std::vector<BFloat16> narrow(kValues);
  kernel_of(operation)(a, right, y);
  kernels::narrow<float, BFloat16>(y, narrow);
  PairRow row;
  Xxh3 digest;
  kernels::widen<BFloat16, float>(narrow, y);
  digest.add(std::span<const float>(y));
  row.digest = digest.finish();
  const auto wide = static_cast<double>(a[0]);
  for (std::size_t i = 0; i < kValues; ++i) {
    const std::uint16_t want =
        narrowed(odd_result(operation[0], wide, static_cast<double>(right[i])));
    const std::uint16_t got = narrow[i].bits;
    if (got == want) continue;
    if (((got | want) & 0x7fff) == 0) {
      ++row.zero_sign;
      continue;
    }
    if (row.misrounded++ == 0)
      row.first = static_cast<std::uint32_t>(left) << 16 | std::uint32_t(i);
  }
  return row;
}

}  // namespace

Json measure_half(const Reference& reference) {
  return {{"kernel", reference.name},
          {"formats",
           {measure_format<BFloat16>(kBf16, reference), measure_format<Float16>(kF16, reference)}}};
}

Json measure_pairs(std::string_view operation, const PairOptions& options) {
  const std::vector<float> right = all_values<BFloat16>();
  const std::size_t step = options.exhaustive ? 1 : 256, count = kValues / step;
  std::vector<PairRow> rows(count);
  {
    Progress progress(fmt::format("bf16 {}", operation), count, options.quiet);
    parallel_jobs(count, [&](std::size_t i) {
      rows[i] = measure_row(operation, static_cast<std::uint16_t>(i * step), right);
      progress.advance();
    });
  }
  std::uint64_t misrounded = 0, zero_sign = 0;
  std::uint32_t first = 0;
  Sha256 digest;
  for (const PairRow& row : rows) {
    if (misrounded == 0 && row.misrounded > 0) first = row.first;
    misrounded += row.misrounded;
    zero_sign += row.zero_sign;
    digest.add(hex(row.digest));
  }
  Json json = {{"operation", operation},
               {"pairs", count * kValues},
               {"exhaustive", options.exhaustive},
               {"misrounded", misrounded},
               {"zero_sign", zero_sign}};
  json["first"] = misrounded == 0 ? Json(nullptr) : Json(fmt::format("{:08x}", first));
  json["digest"] = hex(digest.finish());
  return json;
}

std::uint16_t nearest_bf16(std::string_view operation, std::uint16_t a, std::uint16_t b) {
  const auto left = static_cast<double>(value_of(a)), right = static_cast<double>(value_of(b));
  return narrowed(odd_result(operation[0], left, right));
}

std::uint16_t exact_bf16(std::string_view operation, std::uint16_t a, std::uint16_t b) {
  mpfr_t x, y, z;
  mpfr_inits2(600, x, y, z, static_cast<mpfr_ptr>(nullptr));
  mpfr_set_flt(x, value_of(a), MPFR_RNDN);
  mpfr_set_flt(y, value_of(b), MPFR_RNDN);
  const std::array<int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t), 4> all = {
      mpfr_add, mpfr_sub, mpfr_mul, mpfr_div};
  const std::size_t which = std::string_view("asmd").find(operation[0]);
  all.at(which)(z, x, y, MPFR_RNDN);
  // Cut to what bf16 has at this exponent, ties to even.
  std::uint16_t bits = BFloat16::kNan;
  if (!mpfr_nan_p(z)) {
    if (mpfr_regular_p(z)) {
      const mpfr_exp_t lowest = -133;  // of the least subnormal number
      const mpfr_exp_t last = std::max<mpfr_exp_t>(mpfr_get_exp(z) - 8, lowest);
      mpfr_div_2si(z, z, last, MPFR_RNDN);
      mpfr_rint(z, z, MPFR_RNDN);
      mpfr_mul_2si(z, z, last, MPFR_RNDN);
    }
    bits = bits_of(mpfr_get_d(z, MPFR_RNDN));
  }
  mpfr_clears(x, y, z, static_cast<mpfr_ptr>(nullptr));
  return bits;
}

}  // namespace palinode::experiments::precision
