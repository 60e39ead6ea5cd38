#include "experiments/precision/double.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <functional>
#include <map>

#include "experiments/precision/errors.h"
#include "experiments/precision/exact.h"
#include "experiments/precision/highway_math.h"
#include "experiments/precision/timing.h"
#include "tensor/digest.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;
using In = std::span<const double>;
using Out = std::span<double>;
using Plain = void (*)(In, Out);
using H = HighwayMath<double>;

template <double (*kFunction)(double)>
void loop(In x, Out out) {
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = kFunction(x[i]);
}

template <H::Function H::*kMember>
void highway(In x, Out out) {
  (highway_math<double>().*kMember)(x.data(), out.data(), x.size());
}

double rsqrt_by_libm(double x) { return 1 / std::sqrt(x); }
double sigmoid_by_libm(double x) { return 1 / (1 + std::exp(-x)); }
double silu_by_libm(double x) { return x / (1 + std::exp(-x)); }
double gelu_by_libm(double x) { return 0.5 * x * std::erfc(x * -M_SQRT1_2); }
double gelu_tanh_by_libm(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

struct Row {
  Plain ours = nullptr, highway = nullptr, libm = nullptr;
  // Where Highway's documentation speaks of it, and where results are normal.
  double low, high;
};

const std::map<std::string_view, Row>& rows() {
  using namespace kernels;
  static const std::map<std::string_view, Row> table = {
      {"exp", {exp, highway<&H::exp>, loop<std::exp>, -700, 700}},
      {"log", {log, highway<&H::log>, loop<std::log>, 0x1p-1000, 0x1p1000}},
      {"tanh", {tanh, highway<&H::tanh>, loop<std::tanh>, -0x1p1000, 0x1p1000}},
      {"sin", {sin, highway<&H::sin>, loop<std::sin>, -39000, 39000}},
      {"cos", {cos, highway<&H::cos>, loop<std::cos>, -39000, 39000}},
      {"sigmoid", {sigmoid, highway<&H::sigmoid>, loop<sigmoid_by_libm>, -700, 700}},
      {"erf", {erf, nullptr, loop<std::erf>, -0x1p1000, 0x1p1000}},
      {"gelu", {gelu, nullptr, loop<gelu_by_libm>, -37, 0x1p1000}},
      {"gelu_tanh", {gelu_tanh, highway<&H::gelu_tanh>, loop<gelu_tanh_by_libm>, -20, 0x1p300}},
      {"silu", {silu, highway<&H::silu>, loop<silu_by_libm>, -700, 0x1p1000}},
      {"rsqrt", {rsqrt, highway<&H::rsqrt>, loop<rsqrt_by_libm>, 0x1p-1000, 0x1p1000}},
      {"expm1", {nullptr, highway<&H::expm1>, loop<std::expm1>, -0x1p1000, 700}},
      {"log2", {nullptr, highway<&H::log2>, loop<std::log2>, 0x1p-1000, 0x1p1000}},
      {"log10", {nullptr, highway<&H::log10>, loop<std::log10>, 0x1p-1000, 0x1p1000}},
      {"log1p", {nullptr, highway<&H::log1p>, loop<std::log1p>, 0, 0x1p1000}},
      {"sinh", {nullptr, highway<&H::sinh>, loop<std::sinh>, -700, 700}},
      {"asin", {nullptr, highway<&H::asin>, loop<std::asin>, -1, 1}},
      {"acos", {nullptr, highway<&H::acos>, loop<std::acos>, -1, 1}},
      {"atan", {nullptr, highway<&H::atan>, loop<std::atan>, -0x1p1000, 0x1p1000}},
      {"asinh", {nullptr, highway<&H::asinh>, loop<std::asinh>, -0x1p500, 0x1p500}},
      {"acosh", {nullptr, highway<&H::acosh>, loop<std::acosh>, 1, 0x1p500}},
      {"atanh",
       {nullptr, highway<&H::atanh>, loop<std::atanh>, -0x1.fffffffffffffp-1,
        0x1.fffffffffffffp-1}},
  };
  return table;
}

// Hard to round for exp, log, sin and cos, and the f64 next to a multiple of pi/2.
constexpr double kHard[] = {0x1.9e9cbbfd6080bp-31, 0x1.62a88613629b6p+678, 0x1.e0000000001c2p-20,
                            0x1.06b505550e6b2p-9, 0x1.6ac5b262ca1ffp+849};

std::vector<double> inputs_of(const Reference& reference, const Row& row, std::size_t count) {
  const Rng rng = Rng(1).stream("precision").stream(reference.name).stream("f64");
  const Rng exponents = rng.stream("exponents");
  std::vector<double> x;
  for (const double hard : kHard) {
    if (hard >= row.low && hard <= row.high) x.push_back(hard);
  }
  for (std::size_t i = 0; x.size() < count; ++i) {
    double value = reference.low + (reference.high - reference.low) * rng.uniform(i);
    if (i % 2 == 1) {
      const double size = std::exp2(20 - 40 * exponents.uniform(i));
      value = (i % 4 == 1 ? 1 : -1) * size;
    }
    if (value >= row.low && value <= row.high && value != 0) x.push_back(value);
  }
  return x;
}

std::string hex_of(double x) { return fmt::format("{:016x}", std::bit_cast<std::uint64_t>(x)); }

}  // namespace

Json measure_f64(const Reference& reference, std::size_t inputs) {
  const auto found = rows().find(reference.name);
  if (found == rows().end()) return nullptr;
  const Row& row = found->second;
  const std::vector<double> x = inputs_of(reference, row, inputs);
  Json json = {{"kernel", reference.name},
               {"inputs", x.size()},
               {"lower_bound", true},
               {"simd", simd_name(active_simd())}};
  std::vector<std::pair<const char*, Plain>> list;
  for (const auto& [name, run] : {std::pair("Palinode", row.ours),
                                  std::pair("Highway", row.highway), std::pair("libm", row.libm)}) {
    if (run != nullptr) list.emplace_back(name, run);
  }
  std::vector<std::vector<double>> results;
  for (const auto& [name, run] : list) {
    results.emplace_back(x.size());
    run(x, results.back());
  }
  std::vector<double> worst(list.size()), worst_at(list.size());
  std::vector<std::uint64_t> misrounded(list.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    Exact exact(x[i]);
    reference.exact(exact.get(), exact.get());
    const double nearest = mpfr_get_d(exact.get(), MPFR_RNDN);
    for (std::size_t c = 0; c < list.size(); ++c) {
      const double y = results[c][i];
      if (y != nearest) ++misrounded[c];
      const double error = std::isnan(y) || !mpfr_regular_p(exact.get())
                               ? (y == nearest ? 0 : HUGE_VAL)
                               : ulp_error(y, exact.get());
      if (error <= worst[c]) continue;
      worst[c] = error;
      worst_at[c] = x[i];
    }
  }
  std::vector<std::function<void()>> runs;
  std::vector<double> timed(16384), out(timed.size());
  const Rng rng = Rng(1).stream("precision").stream(reference.name).stream("f64 speed");
  for (std::size_t i = 0; i < timed.size(); ++i) {
    timed[i] = reference.low + (reference.high - reference.low) * rng.uniform(i);
  }
  for (const auto& each : list) {
    runs.emplace_back([&timed, &out, run = each.second] { run(timed, out); });
  }
  const std::vector<Speed> times = time_interleaved(runs, 9);
  for (std::size_t c = 0; c < list.size(); ++c) {
    json["contenders"].push_back({{"name", list[c].first},
                                  {"ours", c == 0 && row.ours != nullptr},
                                  {"max_ulp", json_number(worst[c])},
                                  {"misrounded", misrounded[c]},
                                  {"worst_input", hex_of(worst_at[c])},
                                  {"worst_input_value", json_number(worst_at[c])},
                                  {"ns", times[c].median * 1e9 / double(timed.size())},
                                  {"digest", hex(xxh3(In(results[c])))}});
  }
  return json;
}

}  // namespace palinode::experiments::precision
