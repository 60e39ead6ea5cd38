#include "experiments/policy/advantage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace palinode::experiments::policy {

std::vector<double> rewards_to_go(const Rollout& rollout, double gamma) {
  std::vector<double> to_go(rollout.rows());
  for (const Trajectory& trajectory : rollout.trajectories) {
    double after = 0;
    for (std::size_t i = trajectory.end; i-- > trajectory.begin;) {
      after = rollout.rewards[i] + gamma * after;
      to_go[i] = after;
    }
  }
  return to_go;
}

std::vector<double> against_others(const Rollout& rollout, std::span<const double> to_go) {
  const std::size_t count = rollout.trajectories.size();
  if (count < 2) {
    throw Error(fmt::format("against_others: needs at least two trajectories, got {}", count));
  }
  std::vector<double> total;  // over trajectories, by step
  for (const Trajectory& trajectory : rollout.trajectories) {
    const std::size_t steps = trajectory.end - trajectory.begin;
    total.resize(std::max(total.size(), steps));
    for (std::size_t t = 0; t < steps; ++t) total[t] = total[t] + to_go[trajectory.begin + t];
  }
  std::vector<double> advantages(to_go.size());
  for (const Trajectory& trajectory : rollout.trajectories) {
    for (std::size_t i = trajectory.begin; i < trajectory.end; ++i) {
      const double others = total[i - trajectory.begin] - to_go[i];
      advantages[i] = to_go[i] - others / static_cast<double>(count - 1);
    }
  }
  return advantages;
}

std::vector<double> generalized_advantages(const Rollout& rollout, std::span<const double> values,
                                           std::span<const double> next, double gamma,
                                           double lambda) {
  std::vector<double> advantages(rollout.rows());
  for (std::size_t k = 0; k < rollout.trajectories.size(); ++k) {
    const Trajectory& trajectory = rollout.trajectories[k];
    double value_after = trajectory.ended ? 0 : next[k], after = 0;
    for (std::size_t i = trajectory.end; i-- > trajectory.begin;) {
      const double delta = rollout.rewards[i] + gamma * value_after - values[i];
      after = delta + gamma * lambda * after;
      advantages[i] = after;
      value_after = values[i];
    }
  }
  return advantages;
}

Tensor standardized(std::span<const double> advantages) {
  const auto n = static_cast<double>(advantages.size());
  double total = 0, squares = 0;
  for (const double a : advantages) total = total + a;
  const double mean = total / n;
  for (const double a : advantages) squares = squares + (a - mean) * (a - mean);
  const double deviation = std::sqrt(squares / n) + 1e-8;
  std::vector<double> scaled;
  for (const double a : advantages) scaled.push_back((a - mean) / deviation);
  return rounded(scaled);
}

Tensor rounded(std::span<const double> values) {
  TensorBuilder builder({values.size()}, Dtype::kF32);
  std::ranges::transform(values, builder.values<float>().begin(),
                         [](double value) { return static_cast<float>(value); });
  return std::move(builder).build();
}

}  // namespace palinode::experiments::policy
