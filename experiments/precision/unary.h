// The table of one function: precision over all inputs or a sample, speed, and identity of the bits
// over SIMD targets.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "experiments/precision/own_kernel.h"
#include "experiments/precision/reference.h"

namespace palinode::experiments::precision {

using Json = nlohmann::ordered_json;

struct UnaryOptions {
  bool exhaustive = false;
  unsigned every = 10;        // of a sample: one input in 2^every
  std::string folder = {};    // of the checkpoints of exhaustive sweeps; empty: none
  std::string identity = {};  // of the program
  bool quiet = true;
};

// {"kernel", "formula", "inputs", "every", "reference", "contenders", "identity", "seconds"};
// docs/precision.md has the fields. Leaves the SIMD target as it was.
Json measure_unary(const Reference& reference, std::span<const OwnKernel> own,
                   const UnaryOptions& options);

}  // namespace palinode::experiments::precision
