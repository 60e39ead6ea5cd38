#include "experiments/precision/laboratory.h"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <mpfr.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>

#include "experiments/environment.h"
#include "experiments/precision/blas_peers.h"
#include "experiments/precision/double.h"
#include "experiments/precision/half.h"
#include "experiments/precision/near.h"
#include "experiments/precision/products.h"
#include "experiments/precision/reductions.h"
#include "experiments/precision/rows.h"
#include "experiments/precision/training.h"
#include "experiments/precision/unary.h"
#include "experiments/usage_error.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments::precision {
namespace {

constexpr const char* kSections[] = {"unary",    "f64",  "half",  "pairs",   "reductions",
                                     "products", "rows", "steps", "training"};
constexpr std::string_view kGroups[] = {"unary", "f64", "half", "pairs", "training"};
constexpr std::string_view kRowKernels[] = {"softmax", "layer_norm", "cross_entropy", "attention"};
constexpr std::string_view kStepKernels[] = {"sgd", "adam", "rmsprop"};

// What the results depend on beside the program: recorded, and no part of a comparison.
Json environment() {
  Json json = environment_json();
  json["version"] = version();
  json["flags"] = "-O2 -ffp-contract=off";
  json["glibc"] = gnu_get_libc_version();
  json["mpfr"] = mpfr_get_version();
  json["reference"] = near::library();
#if defined(__x86_64__)
  const unsigned control = _mm_getcsr();
  json["flush_to_zero"] = (control & 0x8000U) != 0;
  json["denormals_are_zero"] = (control & 0x0040U) != 0;
#endif
  json["blas"] = Json::array();
  for (const BlasPeer& peer : blas_peers()) {
    json["blas"].push_back(peer.variant.empty() ? peer.name : peer.name + " " + peer.variant);
  }
  return json;
}

class Selection {
 public:
  explicit Selection(const std::vector<std::string>& kernels) : kernels_(kernels) {
    const std::vector<std::string> known = kernel_names();
    for (const std::string& name : kernels) {
      if (std::ranges::find(known, name) == known.end()) {
        throw UsageError(
            fmt::format("unknown kernel \"{}\"; there are {}", name, fmt::join(known, ", ")));
      }
    }
  }
  // Asked for by this name or one of its groups.
  bool has(std::string_view name, std::string_view group = {}) const {
    if (kernels_.empty()) return true;
    return named(name) || (!group.empty() && named(group));
  }

 private:
  bool named(std::string_view name) const {
    return std::ranges::find(kernels_, name) != kernels_.end();
  }
  std::vector<std::string> kernels_;
};

std::vector<OwnKernel> own_of(const LaboratoryOptions& options, std::string_view kernel) {
  std::vector<OwnKernel> list;
  for (const OwnKernel& each : options.own) {
    if (each.kernel == kernel) list.push_back(each);
  }
  return list;
}

void measure_functions(const LaboratoryOptions& options, const Selection& selection,
                       Json& results) {
  UnaryOptions unary{.exhaustive = options.exhaustive, .every = options.every};
  unary.quiet = options.quiet;
  unary.folder = options.folder;
  // A checkpoint is of this very program.
  if (options.exhaustive) {
    unary.identity = hex(sha256(read_file("/proc/self/exe", std::size_t{1} << 30)));
  }
  for (const Reference& reference : references()) {
    if (selection.has(reference.name, "unary")) {
      results["unary"].push_back(measure_unary(reference, own_of(options, reference.name), unary));
    }
    if (selection.has(reference.name, "f64")) {
      Json row = measure_f64(reference, options.exhaustive ? 200000 : 4000);
      if (!row.is_null()) results["f64"].push_back(std::move(row));
    }
    if (selection.has(reference.name, "half")) results["half"].push_back(measure_half(reference));
  }
}

void measure_the_rest(const LaboratoryOptions& options, const Selection& selection, Json& results) {
  if (selection.has("pairs")) {
    const PairOptions pairs{.exhaustive = options.exhaustive, .quiet = options.quiet};
    for (const char* operation : {"add", "sub", "mul", "div"}) {
      results["pairs"].push_back(measure_pairs(operation, pairs));
    }
  }
  const ReductionOptions reduction;
  if (selection.has("sum")) {
    results["reductions"].push_back(measure_sum(own_of(options, "sum"), reduction));
  }
  if (selection.has("dot")) {
    results["reductions"].push_back(measure_dot(own_of(options, "dot"), reduction));
  }
  if (selection.has("matmul")) {
    for (const std::size_t size : {std::size_t{512}, std::size_t{1024}}) {
      results["products"].push_back(measure_product(size, own_of(options, "matmul")));
    }
  }
  for (const std::string_view kernel : kRowKernels) {
    if (selection.has(kernel)) results["rows"].push_back(measure_rows(kernel));
  }
  for (const std::string_view kernel : kStepKernels) {
    if (selection.has(kernel)) results["steps"].push_back(measure_step(kernel));
  }
  if (selection.has("training")) {
    const RoundingConfig config = options.exhaustive
                                      ? RoundingConfig{}
                                      : RoundingConfig{.steps = {1, 10, 100, 300}, .seeds = 1};
    results["training"].push_back(rounding_json(config, measure_rounding(config)));
  }
}

Json* row_of(Json& section, const Json& like) {
  for (Json& row : section) {
    const bool same = row.value("kernel", "") == like.value("kernel", "") &&
                      row.value("operation", "") == like.value("operation", "") &&
                      row.value("size", 0) == like.value("size", 0);
    if (same) return &row;
  }
  return nullptr;
}

// Another run's digests beside this one's, where both are of the same inputs.
void add_digests(Json& row, const Json& other) {
  if (!row.contains("identity") || row.value("inputs", 0ULL) != other.value("inputs", 0ULL)) return;
  for (const Json& theirs : other.at("contenders")) {
    if (!theirs.value("ours", false)) continue;
    for (const Json& mine : row.at("contenders")) {
      if (mine.at("name") != theirs.at("name")) continue;
      row["identity"].push_back({{"name", theirs.at("name")},
                                 {"simd", other.value("simd", "")},
                                 {"compiler", other.value("compiler", "")},
                                 {"inputs", row.value("inputs", 0ULL)},
                                 {"digest", theirs.at("digest")},
                                 {"same_bits", theirs.at("digest") == mine.at("digest")}});
    }
  }
}

// Rows of an earlier run that this one does not have; all inputs are preferred to a sample.
void join(Json& results, const std::string& path) {
  const Json other = Json::parse(read_file(path, std::size_t{1} << 28), nullptr, false);
  if (other.is_discarded() || !other.is_object() || other.value("schema", 0) != 1) {
    throw FormatError(path + ": expected the results.json of `palinode precision`, schema 1");
  }
  for (const char* section : kSections) {
    if (!other.contains(section)) continue;
    for (const Json& row : other.at(section)) {
      Json* const mine = row_of(results[section], row);
      if (mine == nullptr) {
        results[section].push_back(row);
      } else if (row.value("exhaustive", false) && !mine->value("exhaustive", false)) {
        *mine = row;
      } else {
        add_digests(*mine, row);
      }
    }
  }
}

}  // namespace

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const Reference& reference : references()) names.emplace_back(reference.name);
  for (const char* name : {"sum", "dot", "matmul"}) names.emplace_back(name);
  names.insert(names.end(), std::begin(kRowKernels), std::end(kRowKernels));
  names.insert(names.end(), std::begin(kStepKernels), std::end(kStepKernels));
  names.insert(names.end(), std::begin(kGroups), std::end(kGroups));
  return names;
}

Json run_laboratory(const LaboratoryOptions& options) {
  const Selection selection(options.kernels);
  for (const OwnKernel& own : options.own) {
    const bool measurable =
        own.kernel == "sum" || own.kernel == "dot" || own.kernel == "matmul" ||
        std::ranges::any_of(references(), [&](const auto& r) { return r.name == own.kernel; });
    if (!measurable) {
      throw UsageError(fmt::format(
          "--kernel {}: a function of one value, sum, dot or matmul can be one's own, not \"{}\"",
          own.name(), own.kernel));
    }
  }
  Json results = {{"schema", 1}, {"version", version()}, {"command", options.command}};
  results["environment"] = environment();
  for (const char* section : kSections) results[section] = Json::array();
  measure_functions(options, selection, results);
  measure_the_rest(options, selection, results);
  for (const std::string& path : options.with) join(results, path);
  results["checks"] = checks(results);
  return results;
}

}  // namespace palinode::experiments::precision
