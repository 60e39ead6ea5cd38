// R15: theta from models that were merged from it with different low-rank deltas and no copy of it
// (Horwitz, Kahana, Hoshen, "Recovering the pre-fine-tuning weights of generative models",
// arXiv:2402.10208, Spectral DeTuning). With theirs W_i = W + L_i, rank(L_i) <= r, two closed forms
// take turns from W = mean(W_i):
//   L_i = the rank-r part of W_i - W;   W = mean(W_i - L_i)
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rbl/metrics.h"
#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"
#include "rbl/svd.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

using Matrices = std::vector<Matrix>;

Matrix to_matrix(const Tensor& value) {
  const Tensor columns = value.to(Dtype::kF64).transpose().compact();
  const std::span<const double> values = columns.values<double>();
  return {value.shape()[0], value.shape()[1], {values.begin(), values.end()}};
}

Tensor to_tensor(const Matrix& m, Dtype dtype) {
  return Tensor::from<double>(m.values, {m.cols, m.rows}).transpose().compact().to(dtype);
}

Matrix minus(const Matrix& a, const Matrix& b) {
  Matrix result = a;
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    result.values[i] = a.values[i] - b.values[i];
  }
  return result;
}

Matrix mean_of(const Matrices& all) {
  Matrix mean{all[0].rows, all[0].cols, std::vector<double>(all[0].values.size())};
  for (std::size_t i = 0; i < mean.values.size(); ++i) {
    double sum = 0;
    for (const Matrix& each : all) sum = sum + each.values[i];
    mean.values[i] = sum / static_cast<double>(all.size());
  }
  return mean;
}

double norm(const Matrix& m) {
  double squares = 0;
  for (const double x : m.values) squares = squares + x * x;
  return std::sqrt(squares);
}

// Of one Jacobi sweep over a matrix, about: 6 n^2 m for its dots and as many for its rotations.
double flops_of_part(const Matrix& m) {
  const auto rows = static_cast<double>(std::max(m.rows, m.cols));
  const auto cols = static_cast<double>(std::min(m.rows, m.cols));
  constexpr double kSweeps = 8;
  return kSweeps * 6 * cols * cols * rows;
}

class Siblings : public Rollback {
 public:
  Siblings(const std::vector<const Store*>& siblings, const SiblingConfig& config)
      : Rollback("R15"), config_(config) {
    for (const Store* sibling : siblings) others_.push_back(values_of(*sibling));
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const Values& each : others_) bytes += bytes_of(each);
    return bytes;
  }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    Values recovered = values_of(theta);
    for (std::size_t i = 0; i < recovered.size(); ++i) recovered[i] = detuned(recovered[i], i);
    subject.ledger().commit(replace(theta, recovered, Reason::kRestore, "siblings"));
  }

 private:
  // Parameters that are no matrices have no low-rank delta: they are in all models alike.
  Tensor detuned(const Tensor& own, std::size_t i) {
    if (own.shape().rank() != 2) {
      for (const Values& each : others_) {
        if (same_bits(each.at(i), own)) continue;
        throw Error(fmt::format("R15: parameter {} {} is no matrix and differs between siblings", i,
                                own.describe()));
      }
      return own;
    }
    Matrices all = {to_matrix(own)};
    for (const Values& each : others_) {
      require_same_shape("R15", {{own, each.at(i)}});
      all.push_back(to_matrix(each.at(i)));
    }
    return to_tensor(common_part(all), own.dtype());
  }

  Matrix common_part(const Matrices& all) {
    Matrix w = mean_of(all);
    for (std::uint64_t k = 0; k < config_.iterations; ++k) {
      Matrices without;
      for (const Matrix& each : all) {
        without.push_back(minus(each, low_rank_part(minus(each, w), config_.rank).matrix));
        count({.flops = flops_of_part(each)});
      }
      const Matrix next = mean_of(without);
      const double moved = norm(minus(next, w));
      w = next;
      if (moved <= config_.tolerance * norm(w)) break;
    }
    return w;
  }

  std::vector<Values> others_;
  SiblingConfig config_;
};

}  // namespace

std::unique_ptr<Rollback> recover_from_siblings(const std::vector<const Store*>& siblings,
                                                const SiblingConfig& config) {
  return std::make_unique<Siblings>(siblings, config);
}

}  // namespace palinode::rbl
