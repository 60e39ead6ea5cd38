#include "rbl/extract.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rbl/svd.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

constexpr std::string_view kWeight = ".weight";

Matrix matrix_of(const Tensor& value, const std::string& name) {
  const std::size_t rows = value.shape()[0], cols = value.shape()[1];
  Matrix matrix{rows, cols, std::vector<double>(rows * cols)};
  with_float(value.dtype(), "extract", [&]<class T>() {
    const std::span<const T> values = value.values<T>();
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) matrix.at(r, c) = values[r * cols + c];
    }
  });
  if (std::ranges::all_of(matrix.values, [](double v) { return std::isfinite(v); })) return matrix;
  throw NonFiniteError(fmt::format("extract: {} has a value that is not finite", name));
}

double sum_of_squares(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum = sum + value * value;
  return sum;
}

double squares_of(const Tensor& value) {
  double sum = 0;
  with_float(value.dtype(), "extract", [&]<class T>() {
    for (const double v : value.values<T>()) sum = sum + v * v;
  });
  return sum;
}

struct Factors {
  Tensor a, b;  // [in, rank], [rank, out]
};

// The first `rank` parts, each divided evenly: both factors have the root of its size. Parts there
// are not, and parts of size zero, are zeros.
Factors factors_of(const SingularParts& parts, std::size_t rank, Dtype dtype) {
  const std::size_t in = parts.left.rows, out = parts.right.rows;
  return with_float(dtype, "extract", [&]<class T>() {
    TensorBuilder a({in, rank}, dtype), b({rank, out}, dtype);
    const std::span<T> to_a = a.values<T>(), to_b = b.values<T>();
    std::ranges::fill(to_a, T{0});
    std::ranges::fill(to_b, T{0});
    for (std::size_t k = 0; k < std::min(rank, parts.singular.size()); ++k) {
      if (parts.singular[k] == 0) break;
      // One of the two has the size, the other has norm one.
      double norm = 0;
      for (std::size_t i = 0; i < in; ++i) norm = norm + parts.left.at(i, k) * parts.left.at(i, k);
      const double factor = std::sqrt(parts.singular[k]) / std::sqrt(norm);
      for (std::size_t i = 0; i < in; ++i) {
        to_a[i * rank + k] = static_cast<T>(parts.left.at(i, k) * factor);
      }
      for (std::size_t o = 0; o < out; ++o) {
        to_b[k * out + o] = static_cast<T>(parts.right.at(o, k) / factor);
      }
    }
    return Factors{std::move(a).build(), std::move(b).build()};
  });
}

double residual_of(const Matrix& wanted, const Factors& factors) {
  const Matrix a = matrix_of(factors.a, "A"), b = matrix_of(factors.b, "B");
  double sum = 0;
  for (std::size_t r = 0; r < wanted.rows; ++r) {
    for (std::size_t c = 0; c < wanted.cols; ++c) {
      double product = 0;
      for (std::size_t k = 0; k < a.cols; ++k) product = product + a.at(r, k) * b.at(k, c);
      const double off = wanted.at(r, c) - product;
      sum = sum + off * off;
    }
  }
  return std::sqrt(sum);
}

}  // namespace

double ExtractedLora::norm() const {
  double sum = left_out * left_out;
  for (const ExtractedSite& site : sites) sum = sum + site.norm * site.norm;
  return std::sqrt(sum);
}

double ExtractedLora::residual() const {
  double sum = left_out * left_out;
  for (const ExtractedSite& site : sites) sum = sum + site.residual * site.residual;
  return std::sqrt(sum);
}

ExtractedLora extract_lora(Ledger& ledger, const std::string& name, const Behavior& dense,
                           const nn::Network& identity, std::size_t rank) {
  if (dense.kind() != "dense" || &dense.theta() != &identity.store()) {
    throw NameError(
        fmt::format("extract: expected a dense unit of this identity, got {}", dense.kind()));
  }
  const std::vector<std::string> layers = identity.sites();
  ExtractedLora extracted;
  BehaviorConfig config{
      .kind = "lora",
      .settings = {{"rank", static_cast<double>(rank)}, {"alpha", static_cast<double>(rank)}}};
  Proposal proposal{.reason = Reason::kLoad, .proposer = "extract-lora"};
  double left_out = 0;
  for (const std::string& weight : dense.config().sites) {
    const Tensor& delta = dense.phi().at(weight + ".delta");
    const std::string site =
        weight.substr(0, weight.size() - std::min(weight.size(), kWeight.size()));
    if (!weight.ends_with(kWeight) || std::ranges::find(layers, site) == layers.end()) {
      left_out = left_out + squares_of(delta);
      continue;
    }
    const Matrix wanted = matrix_of(delta, weight);
    const SingularParts parts = singular_parts(wanted);
    Factors factors = factors_of(parts, rank, dense.dtype());
    extracted.sites.push_back({site, std::sqrt(sum_of_squares(wanted.values)),
                               residual_of(wanted, factors), parts.singular});
    config.sites.push_back(site);
    proposal.writes.push_back({nullptr, PoolString(site + ".lora_A"), std::move(factors.a), true});
    proposal.writes.push_back({nullptr, PoolString(site + ".lora_B"), std::move(factors.b), true});
  }
  if (config.sites.empty())
    throw NameError("extract: the unit has no linear layer among its sites");
  extracted.left_out = std::sqrt(left_out);
  Ledger blank(Ledger::Level::kOff);  // to try the settings with
  make_behavior(blank.open("phi", Role::kBehavior), identity, config);
  const Store& phi = ledger.open(name, Role::kBehavior);
  extracted.unit = make_behavior(phi, identity, config);
  for (Write& write : proposal.writes) write.store = &phi;
  ledger.commit(proposal);
  return extracted;
}

}  // namespace palinode::rbl
