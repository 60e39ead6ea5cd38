// Functions of one f64: a lower bound of their largest error.
//
// 2^64 inputs cannot all be tried. Random ones over the range that is used and over all exponents,
// and the hard cases of Muller et al., "Handbook of Floating-Point Arithmetic", 2nd ed.,
// table 10.5, are judged by MPFR: the largest error found is a lower bound of the largest there is.
#pragma once

#include <nlohmann/json.hpp>

#include "experiments/precision/reference.h"

namespace palinode::experiments::precision {

// {"kernel", "inputs", "contenders": [{"name", "max_ulp", "misrounded", "worst_input", "ns"}],
// "identity"}, or a null value for a function that nobody here has in f64.
nlohmann::ordered_json measure_f64(const Reference& reference, std::size_t inputs);

}  // namespace palinode::experiments::precision
