// The tables of sums and dot products.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "experiments/precision/own_kernel.h"

namespace palinode::experiments::precision {

struct ReductionOptions {
  std::size_t length = 4096, trials = 1000;
};

// {"kernel", "length", "trials", "families": [{"name", "condition", "contenders"}], "contenders",
// "identity"}; docs/precision.md has the fields. A contender's "same_bits_as" is the first one
// before it with the same digest of all results.
nlohmann::ordered_json measure_sum(std::span<const OwnKernel> own, const ReductionOptions& options);
nlohmann::ordered_json measure_dot(std::span<const OwnKernel> own, const ReductionOptions& options);

}  // namespace palinode::experiments::precision
