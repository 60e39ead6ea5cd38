// A whole run of the laboratory, from names of kernels to one JSON object.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/precision/own_kernel.h"

namespace palinode::experiments::precision {

struct LaboratoryOptions {
  std::vector<std::string> kernels;  // empty: all
  std::vector<OwnKernel> own;
  bool exhaustive = false, quiet = true;
  unsigned every = 10;
  std::string folder;             // of the checkpoints
  std::vector<std::string> with;  // earlier results.json: their rows join this run's
  std::string command;
};

// Every name `kernels` may hold: functions, sum, dot, matmul, softmax, ..., and the groups "unary",
// "f64", "half", "pairs".
std::vector<std::string> kernel_names();

// {"schema": 1, "version", "command", "environment", "unary", "f64", "half", "pairs", "reductions",
// "products", "rows", "steps", "checks"}; docs/precision.md has the fields. Throws UsageError for
// an unknown name, FormatError for a file of `with` that is no such object.
nlohmann::ordered_json run_laboratory(const LaboratoryOptions& options);

// Published figures met, promises kept: {"what", "expected", "found", "pass"} each. Those that
// nothing was measured for are left out.
nlohmann::ordered_json checks(const nlohmann::ordered_json& results);

}  // namespace palinode::experiments::precision
