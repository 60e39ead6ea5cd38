#include "rbl/extract.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rbl/rollback/values.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace palinode::rbl {
namespace {

constexpr std::string_view kWeight = ".weight";

Matrix matrix_of(const Tensor& value) {
  const std::size_t rows = value.shape()[0], cols = value.shape()[1];
  Matrix matrix{rows, cols, std::vector<double>(rows * cols)};
  with_float(value.dtype(), "extract", [&]<class T>() {
    const std::span<const T> values = value.values<T>();
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) matrix.at(r, c) = values[r * cols + c];
    }
  });
  return matrix;
}

double sum_of_squares(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum = sum + value * value;
  return sum;
}

bool all_zero(const Tensor& difference) {
  return with_float(difference.dtype(), "extract", [&]<class T>() {
    return std::ranges::all_of(difference.values<T>(), [](T value) { return value == 0; });
  });
}

// The sum of the squares of a difference. Throws NonFiniteError naming the parameter.
double squares_of(const Tensor& difference, const std::string& parameter) {
  const double squares = with_float(difference.dtype(), "extract", [&]<class T>() {
    double sum = 0;
    const std::span<const T> values = difference.values<T>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      if (!std::isfinite(value)) {
        throw NonFiniteError(fmt::format("extract: the difference of {} {} is {} at element {}",
                                         parameter, difference.describe(), value, i));
      }
      sum = sum + value * value;
    }
    return sum;
  });
  // The rotations multiply the squares of two columns.
  if (std::isfinite(squares * squares)) return squares;
  throw NonFiniteError(fmt::format(
      "extract: the squares of the difference of {} add up to {}, too much to take it apart in f64",
      parameter, squares));
}

double norm_of(const std::vector<LeftOut>& parts) {
  double sum = 0;
  for (const LeftOut& part : parts) sum = sum + part.norm * part.norm;
  return std::sqrt(sum);
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
  const Matrix a = matrix_of(factors.a), b = matrix_of(factors.b);
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

double ExtractedLora::left_out() const { return norm_of(others); }

double ExtractedLora::norm() const {
  double sum = left_out() * left_out();
  for (const ExtractedSite& site : sites) sum = sum + site.norm * site.norm;
  return std::sqrt(sum);
}

double ExtractedLora::residual() const {
  double sum = left_out() * left_out();
  for (const ExtractedSite& site : sites) sum = sum + site.residual * site.residual;
  return std::sqrt(sum);
}

BehaviorPointer dense_difference(Ledger& ledger, const std::string& name,
                                 const nn::Network& identity, const Store& tuned) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = "difference"};
  for (const nn::Parameter& parameter : identity.parameters()) {
    if (parameter.store != &identity.store()) continue;
    const Tensor &from = identity.store().at(parameter.name), &to = tuned.at(parameter.name);
    const std::string what = "extract: " + parameter.name;
    require_same_shape(what, {{from, to}});
    proposal.writes.push_back(
        {nullptr, PoolString(parameter.name + ".delta"), zip(to, from, kMinus), true});
  }
  const Store& phi = ledger.open(name, Role::kBehavior);
  BehaviorPointer unit = make_behavior(phi, identity, {.kind = "dense"});
  for (Write& write : proposal.writes) write.store = &phi;
  ledger.commit(proposal);
  return unit;
}

Decomposition decompose(const Behavior& dense, const nn::Network& identity) {
  if (dense.kind() != "dense" || &dense.theta() != &identity.store()) {
    throw NameError(
        fmt::format("extract: expected a dense unit of this identity, got {}", dense.kind()));
  }
  const std::vector<std::string> layers = identity.sites();
  Decomposition found;
  for (const std::string& weight : dense.config().sites) {
    const Tensor& delta = dense.phi().at(weight + ".delta");
    if (all_zero(delta)) continue;
    const double squares = squares_of(delta, weight);
    const std::string site =
        weight.substr(0, weight.size() - std::min(weight.size(), kWeight.size()));
    if (weight.ends_with(kWeight) && std::ranges::find(layers, site) != layers.end()) {
      found.sites.push_back({site, matrix_of(delta), {}});
    } else {
      found.left_out.push_back({weight, std::sqrt(squares)});
    }
  }
  if (found.sites.empty() && found.left_out.empty()) {
    throw Error("extract: no weight differs, so there is nothing to extract");
  }
  if (found.sites.empty()) {
    const std::size_t more = found.left_out.size() - 1;
    throw Error(fmt::format(
        "extract: no linear layer differs; {}{}, by {} in norm, and no "
        "low-rank unit holds biases, norms, convolutions or tables",
        found.left_out.front().parameter,
        more == 0 ? " does" : fmt::format(" and {} more do", more), norm_of(found.left_out)));
  }
  parallel_jobs(found.sites.size(), [&](std::size_t i) {
    found.sites[i].parts = singular_parts(found.sites[i].difference);
  });
  return found;
}

std::size_t largest_rank(const Decomposition& decomposition) {
  std::size_t most = 0;
  for (const Decomposition::Site& site : decomposition.sites) {
    most = std::max(most, site.parts.singular.size());
  }
  return most;
}

std::size_t rank_of(const Decomposition& decomposition, double share) {
  if (!(share > 0 && share <= 1)) {
    throw Error(fmt::format("extract: expected a share above 0 and up to 1, got {}", share));
  }
  const auto squares_from = [&](std::size_t rank) {
    double sum = 0;
    for (const Decomposition::Site& site : decomposition.sites) {
      const std::span<const double> singular = site.parts.singular;
      sum = sum + sum_of_squares(singular.subspan(std::min(rank, singular.size())));
    }
    return sum;
  };
  const double most = (1 - share) * squares_from(0);
  std::size_t rank = 1;
  while (squares_from(rank) > most) ++rank;
  return rank;
}

ExtractedLora extract_lora(Ledger& ledger, const std::string& name,
                           const Decomposition& decomposition, const nn::Network& identity,
                           std::size_t rank) {
  ExtractedLora extracted{nullptr, {}, decomposition.left_out};
  BehaviorConfig config{
      .kind = "lora",
      .settings = {{"rank", static_cast<double>(rank)}, {"alpha", static_cast<double>(rank)}}};
  for (const Decomposition::Site& site : decomposition.sites) config.sites.push_back(site.site);
  Ledger blank(Ledger::Level::kOff);  // to try the settings with
  make_behavior(blank.open("phi", Role::kBehavior), identity, config);
  const Store& phi = ledger.open(name, Role::kBehavior);
  extracted.unit = make_behavior(phi, identity, config);
  Proposal proposal{.reason = Reason::kLoad, .proposer = "extract-lora"};
  for (const Decomposition::Site& site : decomposition.sites) {
    Factors factors = factors_of(site.parts, rank, extracted.unit->dtype());
    extracted.sites.push_back({site.site, std::sqrt(sum_of_squares(site.difference.values)),
                               residual_of(site.difference, factors), site.parts.singular});
    proposal.writes.push_back(
        {&phi, PoolString(site.site + ".lora_A"), std::move(factors.a), true});
    proposal.writes.push_back(
        {&phi, PoolString(site.site + ".lora_B"), std::move(factors.b), true});
  }
  ledger.commit(proposal);
  return extracted;
}

ExtractedLora extract_lora(Ledger& ledger, const std::string& name, const Behavior& dense,
                           const nn::Network& identity, std::size_t rank) {
  return extract_lora(ledger, name, decompose(dense, identity), identity, rank);
}

}  // namespace palinode::rbl
