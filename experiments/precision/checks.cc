#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "experiments/precision/laboratory.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;

const Json* contender_of(const Json& row, std::string_view name) {
  for (const Json& each : row.at("contenders")) {
    if (each.at("name") == name) return &each;
  }
  return nullptr;
}

// A comparison with a rival is told; only a promise that is not kept makes a run fail.
void add(Json& list, const std::string& what, const std::string& expected, const std::string& found,
         bool pass, bool promise = true) {
  list.push_back({{"what", what},
                  {"expected", expected},
                  {"found", found},
                  {"pass", pass},
                  {"promise", promise}});
}

// Largest errors that others measured (Zimmermann et al. and our notes on this glibc and Highway):
// the tool has to find them again. They are of all inputs.
struct Published {
  const char *kernel, *contender;
  double max_ulp;
};
constexpr Published kPublished[] = {{"exp", "libm", 0.502},
                                    {"exp", "Highway", 1.0316},
                                    {"tanh", "libm", 2.1886},
                                    {"tanh", "Highway", 2.8596}};

void add_published(Json& list, const Json& row) {
  if (!row.at("exhaustive").get<bool>()) return;
  for (const Published& each : kPublished) {
    if (row.at("kernel") != each.kernel) continue;
    const Json* const found = contender_of(row, each.contender);
    if (found == nullptr || !found->at("max_ulp").is_number()) continue;
    const double ulp = found->at("max_ulp").get<double>();
    add(list, fmt::format("{} of {}: the published largest error", each.kernel, each.contender),
        fmt::format("{} ULP within 1 %", each.max_ulp), fmt::format("{:.4f} ULP", ulp),
        std::abs(ulp / each.max_ulp - 1) <= 0.01);
  }
}

constexpr std::string_view kRounded[] = {
    "exp",      "log",  "tanh", "sin",       "cos",        "sigmoid",         "erf",
    "rsqrt",    "gelu", "silu", "gelu_tanh", "gelu_slope", "gelu_tanh_slope", "silu_slope",
    "erf_slope"};

void add_rounded(Json& list, const Json& row) {
  const auto kernel = row.at("kernel").get<std::string>();
  if (std::ranges::find(kRounded, kernel) == std::end(kRounded)) return;
  const Json* const ours = contender_of(row, "Palinode");
  if (ours == nullptr) return;
  const auto wrong = ours->at("misrounded").get<std::uint64_t>();
  add(list, fmt::format("{} is correctly rounded", kernel), "0 misrounded",
      fmt::format("{} of {}{}", wrong, row.at("inputs").get<std::uint64_t>(),
                  row.at("exhaustive").get<bool>() ? "" : " (sampled)"),
      wrong == 0);
}

void add_reference(Json& list, const Json& row) {
  const Json& reference = row.at("reference");
  const auto disagreements = reference.at("checked_disagreements").get<std::uint64_t>();
  const double distance = std::max(reference.at("max_distance_ulp_f64").get<double>(),
                                   reference.at("checked_max_ulp_f64").get<double>());
  const auto margin = reference.at("margin_ulp_f64").get<double>();
  if (disagreements == 0 && distance < margin) return;
  add(list, fmt::format("{}: the reference against MPFR", row.at("kernel").get<std::string>()),
      fmt::format("no disagreement, within {} ULP of f64", margin),
      fmt::format("{} disagreements, {:.3g} ULP", disagreements, distance), false);
}

void add_identity(Json& list, const Json& results) {
  std::size_t same = 0, all = 0;
  std::string differing;
  for (const char* section : {"unary", "reductions", "products", "rows", "steps"}) {
    for (const Json& row : results.at(section)) {
      for (const Json& identity : row.at("identity")) {
        ++all;
        if (identity.at("same_bits").get<bool>()) {
          ++same;
        } else {
          differing += fmt::format("; {} of {} on {} differs", row.at("kernel").get<std::string>(),
                                   identity.at("name").get<std::string>(),
                                   identity.at("simd").get<std::string>());
        }
      }
    }
  }
  if (all == 0) return;
  add(list, "the same bits on every SIMD target", fmt::format("{} digests equal", all),
      fmt::format("{} equal{}", same, differing), same == all);
}

double rms_of(const Json& family, std::string_view name) {
  for (const Json& each : family.at("contenders")) {
    if (each.at("name") == name) return each.at("backward").at("rms").get<double>();
  }
  return std::numeric_limits<double>::infinity();
}

// Against the core type that OpenBLAS chose by itself, which comes first among its own.
void add_product(Json& list, const Json& row) {
  std::string rival;
  for (const Json& each : row.at("contenders")) {
    const auto name = each.at("name").get<std::string>();
    if (name.starts_with("OpenBLAS") && rival.empty()) rival = name;
  }
  if (rival.empty()) return;
  const Json& family = row.at("families").at(0);
  const double ours = rms_of(family, "Palinode"), theirs = rms_of(family, rival);
  add(list, fmt::format("matmul {0}x{0}x{0}: rms error", row.at("size").get<std::size_t>()),
      fmt::format("at most {}'s {:.4f} u", rival, theirs), fmt::format("{:.4f} u", ours),
      ours <= theirs, false);
}

}  // namespace

Json checks(const Json& results) {
  Json list = Json::array();
  for (const Json& row : results.at("unary")) add_published(list, row);
  for (const Json& row : results.at("unary")) add_rounded(list, row);
  for (const Json& row : results.at("unary")) add_reference(list, row);
  add_identity(list, results);
  for (const Json& row : results.at("products")) add_product(list, row);
  return list;
}

}  // namespace palinode::experiments::precision
