#include "rbl/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "autograd/op_spec.h"
#include "tensor/error.h"
#include "tensor/kernels/change.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/softmax.h"

namespace palinode::rbl {
namespace {

std::vector<double> exp_of(std::span<const double> x) {
  std::vector<double> y(x.size());
  kernels::exp(x, y);
  return y;
}

std::vector<double> log_of(std::span<const double> x) {
  std::vector<double> y(x.size());
  kernels::log(x, y);
  return y;
}

// exp(d) - 1 - d >= 0, given e = exp(d). Near 0 the difference has no digits left, so its series is
// used.
double exp_excess(double d, double e) {
  if (std::abs(d) >= 0.125) return (e - 1.0) - d;
  double series = 1.0;
  for (int k = 13; k >= 3; --k) series = 1.0 + d * series / k;
  return d * d * 0.5 * series;
}

// e - ln(1 + e) >= 0, given l = ln(1 + e).
double log_deficit(double e, double l) {
  if (std::abs(e) >= 0.125) return e - l;
  double series = 1.0 / 20.0;
  for (int k = 19; k >= 2; --k) series = 1.0 / k - e * series;
  return e * e * series;
}

// Whether a probability vanishes beside another so far that their ratio may overflow.
bool negligible(double a, double beside) { return a == 0.0 || beside > a * 0x1p900; }

Divergence average(const std::vector<double>& terms, const Shape& shape) {
  Divergence result;
  result.per_input.resize(shape[0]);
  kernels::row_sums<double>(terms, shape[0], shape[1], result.per_input);
  result.mean = kernels::sum<double>(result.per_input) / static_cast<double>(shape[0]);
  if (std::isnan(result.mean)) throw NonFiniteError("divergence: an output is NaN or infinite");
  for (const double d : result.per_input) PALINODE_ASSERT(d >= 0);
  return result;
}

void check_pair(const char* what, const Tensor& a, const Tensor& b) {
  if (a.shape() == b.shape() && a.shape().rank() == 2 && a.dtype() == Dtype::kF64 &&
      b.dtype() == Dtype::kF64 && !a.empty()) {
    return;
  }
  throw ShapeError(fmt::format("{}: needs two f64 [inputs, classes], got {} and {}", what,
                               a.describe(), b.describe()));
}

// Calls visit(a's value, b's value) for every parameter of two stores that must agree in names and
// shapes.
template <class Visit>
void for_each_pair(const Store& a, const Store& b, const Visit& visit) {
  if (a.entries().size() != b.entries().size()) {
    throw NameError(fmt::format("compare: {} has {} parameters, {} has {}", a.name(),
                                a.entries().size(), b.name(), b.entries().size()));
  }
  for (const Entry& entry : a.entries()) {
    const Tensor& other = b.at(entry.name);
    if (other.shape() != entry.value.shape() || other.dtype() != entry.value.dtype()) {
      throw ShapeError(fmt::format("compare: {} is {} in {} and {} in {}", entry.name,
                                   entry.value.describe(), a.name(), other.describe(), b.name()));
    }
    visit(entry.value, other);
  }
}

struct Squares {
  double difference = 0, norm = 0;
};

// All of the distance but the norms, and the squares of those.
Distance compare(const Store& a, const Store& b, Squares& sums) {
  Distance result;
  for_each_pair(a, b, [&](const Tensor& x, const Tensor& y) {
    with_float(x.dtype(), "distance", [&]<class T>() {
      const kernels::Change change = kernels::change<T>(x.values<T>(), y.values<T>());
      const Tensor zero = Tensor::zeros(x.shape(), x.dtype());
      const double n = kernels::change<T>(zero.values<T>(), x.values<T>()).l2;
      sums.difference = sums.difference + change.l2 * change.l2;
      sums.norm = sums.norm + n * n;
      result.largest = std::max(result.largest, change.max_abs);
      result.words += x.elements();
      result.words_changed += change.elements_changed;
    });
  });
  return result;
}

std::vector<std::int32_t> most_likely(const Tensor& logits) {
  const std::size_t rows = logits.shape()[0];
  std::vector<std::int32_t> best(rows);
  with_float(logits.dtype(), "argmax", [&]<class T>() {
    kernels::row_argmax<T>(logits.compact().values<T>(), rows, logits.shape()[1], best);
  });
  return best;
}

double share(std::size_t count, std::size_t of) {
  return static_cast<double>(count) / static_cast<double>(of);
}

}  // namespace

Tensor log_probabilities(const Tensor& logits) {
  const Tensor wide = logits.to(Dtype::kF64).compact();
  return filled<double>(wide.shape(), [&](std::span<double> out) {
    kernels::log_softmax<double>(wide.values<double>(), wide.shape().rows(), wide.shape().last(),
                                 out);
  });
}

Divergence kl_divergence(const Tensor& log_p, const Tensor& log_q) {
  check_pair("kl_divergence", log_p, log_q);
  const std::span<const double> lp = log_p.values<double>(), lq = log_q.values<double>();
  std::vector<double> d(lp.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = lp[i] == lq[i] ? 0.0 : lq[i] - lp[i];
  const std::vector<double> p = exp_of(lp), q = exp_of(lq), e = exp_of(d);
  std::vector<double> terms(d.size());
  for (std::size_t i = 0; i < d.size(); ++i) {
    // Where p is next to nothing exp(d) overflows, or p has lost digits; there q = p * exp(d) is
    // known anyway.
    const bool subnormal = p[i] < 0x1p-1022 && d[i] > 40;
    const bool overflows = p[i] == 0.0 || d[i] > 700 || subnormal;
    terms[i] = !overflows    ? p[i] * exp_excess(d[i], e[i])
               : p[i] == 0.0 ? q[i]
                             : q[i] - p[i] * (1.0 + d[i]);
  }
  return average(terms, log_p.shape());
}

Divergence js_divergence(const Tensor& log_p, const Tensor& log_q) {
  check_pair("js_divergence", log_p, log_q);
  const std::vector<double> p = exp_of(log_p.values<double>()), q = exp_of(log_q.values<double>());
  const std::size_t n = p.size();
  // m / p = 1 + e with e = (q - p) / (2 p). Where p is next to nothing beside q, its term in KL(p
  // || m) is m - p = (q - p) / 2 to the last digit. The same for q.
  std::vector<double> e_p(n), e_q(n), ratio_p(n), ratio_q(n);
  for (std::size_t i = 0; i < n; ++i) {
    e_p[i] = negligible(p[i], q[i]) ? 0.0 : (q[i] - p[i]) / (2.0 * p[i]);
    e_q[i] = negligible(q[i], p[i]) ? 0.0 : (p[i] - q[i]) / (2.0 * q[i]);
    ratio_p[i] = 1.0 + e_p[i];
    ratio_q[i] = 1.0 + e_q[i];
  }
  const std::vector<double> l_p = log_of(ratio_p), l_q = log_of(ratio_q);
  std::vector<double> terms(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double from_p =
        negligible(p[i], q[i]) ? (q[i] - p[i]) * 0.5 : p[i] * log_deficit(e_p[i], l_p[i]);
    const double from_q =
        negligible(q[i], p[i]) ? (p[i] - q[i]) * 0.5 : q[i] * log_deficit(e_q[i], l_q[i]);
    terms[i] = (from_p + from_q) * 0.5;
  }
  Divergence result = average(terms, log_p.shape());
  for (const double d : result.per_input) PALINODE_ASSERT(d <= kLn2 + kJsSlack);
  return result;
}

std::string_view state_name(Recoverability::State state) {
  switch (state) {
    case Recoverability::State::kValue:
      return "value";
    case Recoverability::State::kUndefined:
      return "undefined";
    case Recoverability::State::kBelowFloor:
      return "below-floor";
  }
  PALINODE_ASSERT(false);
}

Recoverability recoverability(double d_adapt, double d_rec) {
  PALINODE_ASSERT(d_adapt >= 0 && d_rec >= 0);
  if (d_adapt == 0) return {};
  if (d_adapt < kDivergenceFloor) return {Recoverability::State::kBelowFloor, 0};
  const double left = d_rec / d_adapt;
  const bool share_of_infinity = std::isinf(d_adapt) && d_rec > 0;
  if (share_of_infinity || !std::isfinite(left)) return {};
  return {Recoverability::State::kValue, 1.0 - left};
}

Distance distance(const Store& a, const Store& b) {
  Squares sums;
  const Distance result = compare(a, b, sums);
  return {std::sqrt(sums.difference), std::sqrt(sums.norm), result.largest, result.words,
          result.words_changed};
}

std::uint64_t words_changed(const Store& a, const Store& b) {
  Squares sums;
  return compare(a, b, sums).words_changed;
}

double relative_distance(const Store& a, const Store& b) {
  Squares sums;
  compare(a, b, sums);
  return std::sqrt(sums.difference / sums.norm);
}

double top1_changed(const Tensor& logits_a, const Tensor& logits_b) {
  const std::vector<std::int32_t> a = most_likely(logits_a), b = most_likely(logits_b);
  PALINODE_ASSERT(a.size() == b.size());
  std::size_t changed = 0;
  for (std::size_t i = 0; i < a.size(); ++i) changed += static_cast<std::size_t>(a[i] != b[i]);
  return share(changed, a.size());
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  const std::vector<std::int32_t> best = most_likely(logits);
  const std::span<const std::int32_t> truth = labels.values<std::int32_t>();
  PALINODE_ASSERT(best.size() == truth.size());
  std::size_t right = 0;
  for (std::size_t i = 0; i < best.size(); ++i)
    right += static_cast<std::size_t>(best[i] == truth[i]);
  return share(right, best.size());
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && xxh3(a) == xxh3(b);
}

}  // namespace palinode::rbl
