#include "experiments/policy/losses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "autograd/ops.h"
#include "nn/loss.h"
#include "tensor/rng.h"

namespace palinode::experiments::policy {
namespace {

constexpr std::size_t kRows = 6, kActions = 3;

struct Sample {
  std::vector<double> logits;  // [rows, actions]
  std::vector<std::int32_t> actions;
  std::vector<double> old_log_p, advantages;
};

// Ratios on both sides of the interval, at some distance from its ends.
Sample sample_of(std::uint64_t seed) {
  const Rng rng = Rng(seed).stream("losses");
  Sample s;
  for (std::uint64_t i = 0; i < kRows * kActions; ++i) s.logits.push_back(rng.normal(i));
  for (std::uint64_t i = 0; i < kRows; ++i) {
    s.actions.push_back(static_cast<std::int32_t>(rng.stream("actions").below(i, kActions)));
    s.advantages.push_back(rng.stream("advantages").normal(i));
    s.old_log_p.push_back(-1.1 + 0.5 * rng.stream("old").normal(i));
  }
  return s;
}

double log_p(const Sample& s, std::size_t row) {
  double total = 0;
  for (std::size_t a = 0; a < kActions; ++a) total += std::exp(s.logits[row * kActions + a]);
  return s.logits[row * kActions + static_cast<std::size_t>(s.actions[row])] - std::log(total);
}

// Equation 7 of the paper, by a plain loop.
double surrogate(const Sample& s, double clip) {
  double total = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const double ratio = std::exp(log_p(s, i) - s.old_log_p[i]);
    total +=
        std::min(ratio * s.advantages[i], std::clamp(ratio, 1 - clip, 1 + clip) * s.advantages[i]);
  }
  return -total / kRows;
}

Tensor f64(const std::vector<double>& values, const Shape& shape) {
  return Tensor::from<double>(values, shape);
}

struct Result {
  double value;
  Tensor gradient;  // by the logits
};

Result computed(const Sample& s, double clip) {
  Tape tape;
  const Var logits = tape.variable(f64(s.logits, {kRows, kActions}));
  const Var taken = action_log_p(logits, Tensor::from<std::int32_t>(s.actions, {kRows}));
  const Var loss =
      clipped_surrogate(taken, f64(s.old_log_p, {kRows}), f64(s.advantages, {kRows}), clip);
  return {loss.value().item(), backward(loss).at(logits)};
}

TEST(ClippedSurrogate, IsTheFormulaOfThePaper) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Sample s = sample_of(seed);
    EXPECT_NEAR(computed(s, 0.2).value, surrogate(s, 0.2), 1e-13);
  }
}

TEST(ClippedSurrogate, HasTheGradientOfFiniteDifferences) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Sample s = sample_of(seed);
    const Tensor gradient = computed(s, 0.2).gradient;
    for (std::size_t i = 0; i < s.logits.size(); ++i) {
      const double middle = s.logits[i], h = 1e-6;
      s.logits[i] = middle + h;
      const double above = surrogate(s, 0.2);
      s.logits[i] = middle - h;
      const double below = surrogate(s, 0.2);
      s.logits[i] = middle;
      EXPECT_NEAR(gradient.values<double>()[i], (above - below) / (2 * h), 1e-8) << seed;
    }
  }
}

// The paper's figure 1: a row stops to pull once it has gone far enough the way its advantage
// points, and never otherwise.
TEST(ClippedSurrogate, ClipsOnTheSideThatTheAdvantageFavors) {
  struct Case {
    double ratio, advantage;
    bool pulls;
  };
  for (const auto& [ratio, advantage, pulls] :
       {Case{1.5, 1, false}, Case{1.1, 1, true}, Case{0.5, 1, true}, Case{0.5, -1, false},
        Case{0.9, -1, true}, Case{1.5, -1, true}}) {
    Tape tape;
    const Var log_p = tape.variable(f64({std::log(ratio)}, {1}));
    const Var loss = clipped_surrogate(log_p, f64({0}, {1}), f64({advantage}, {1}), 0.2);
    const double slope = backward(loss).at(log_p).values<double>()[0];
    EXPECT_NEAR(slope, pulls ? -ratio * advantage : 0, 1e-12)
        << "ratio " << ratio << ", advantage " << advantage;
  }
}

// Where nothing has moved the ratio is 1 and the gradient that of REINFORCE.
TEST(ClippedSurrogate, HasTheSlopeOfReinforceWhereTheBatchWasPlayed) {
  Sample s = sample_of(3);
  for (std::size_t i = 0; i < kRows; ++i) s.old_log_p[i] = log_p(s, i);
  const Tensor clipped = computed(s, 0.2).gradient;
  Tape tape;
  const Var logits = tape.variable(f64(s.logits, {kRows, kActions}));
  const Var loss = nn::policy_gradient(logits, Tensor::from<std::int32_t>(s.actions, {kRows}),
                                       f64(s.advantages, {kRows}));
  const Tensor plain = backward(loss).at(logits);
  for (std::size_t i = 0; i < kRows * kActions; ++i) {
    EXPECT_NEAR(clipped.values<double>()[i], plain.values<double>()[i], 1e-14);
  }
}

// REINFORCE's loss with its bonus, by its definition and by finite differences.
TEST(PolicyGradient, HasTheGradientOfFiniteDifferencesWithABonus) {
  Sample s = sample_of(4);
  const double bonus = 0.3;
  const auto value = [&] {
    double total = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      total -= s.advantages[i] * log_p(s, i);
      Sample each = s;
      for (std::size_t a = 0; a < kActions; ++a) {
        each.actions[i] = static_cast<std::int32_t>(a);
        total += bonus * std::exp(log_p(each, i)) * log_p(each, i);
      }
    }
    return total / kRows;
  };
  Tape tape;
  const Var logits = tape.variable(f64(s.logits, {kRows, kActions}));
  const Var loss = nn::policy_gradient(logits, Tensor::from<std::int32_t>(s.actions, {kRows}),
                                       f64(s.advantages, {kRows}), bonus);
  EXPECT_NEAR(loss.value().item(), value(), 1e-13);
  const Tensor gradient = backward(loss).at(logits);
  for (std::size_t i = 0; i < s.logits.size(); ++i) {
    const double middle = s.logits[i], h = 1e-6;
    s.logits[i] = middle + h;
    const double above = value();
    s.logits[i] = middle - h;
    const double below = value();
    s.logits[i] = middle;
    EXPECT_NEAR(gradient.values<double>()[i], (above - below) / (2 * h), 1e-8);
  }
}

}  // namespace
}  // namespace palinode::experiments::policy
