// bf16 and f16: functions of one value on all 65,536 inputs, and bf16 arithmetic on all 2^32 pairs.
//
// The kernels store halves and compute in f32: a result is the f32 kernel's, rounded once more.
// What that second rounding costs is what is measured here.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "experiments/precision/reference.h"

namespace palinode::experiments::precision {

// {"kernel", "formats": [{"format", "contenders": [{"name", "inputs", "misrounded", "max_ulp",
// "worst_input", "digest"}]}]}, where a ULP is the format's own.
nlohmann::ordered_json measure_half(const Reference& reference);

struct PairOptions {
  bool exhaustive = false;  // else every 256th left operand
  bool quiet = true;
};

// add, sub, mul, div: {"operation", "pairs", "misrounded", "worst", "digest"}. The truth is the f64
// result rounded to odd, then once to bf16: right because 53 >= 2 * 8 + 2 (Boldo and Melquiond,
// "Emulation of FMA and correctly rounded sums", IEEE Trans. Comput. 57(4), 2008).
nlohmann::ordered_json measure_pairs(std::string_view operation, const PairOptions& options);

// The same truth about one pair, as bits of bf16, and MPFR's, for a check.
std::uint16_t nearest_bf16(std::string_view operation, std::uint16_t a, std::uint16_t b);
std::uint16_t exact_bf16(std::string_view operation, std::uint16_t a, std::uint16_t b);

}  // namespace palinode::experiments::precision
