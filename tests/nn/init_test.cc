#include "nn/init.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/linear.h"
#include "tensor/rng.h"

namespace palinode::nn {
namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments(Init init) {
  const Tensor values = initial(init, {100, 100}, Dtype::kF64, Rng(5).stream("w"));
  Moments m;
  double squares = 0;
  for (const double x : values.values<double>()) {
    m.mean += x / 10000;
    squares += x * x / 10000;
    m.largest = std::max(m.largest, std::abs(x));
  }
  m.deviation = std::sqrt(squares - m.mean * m.mean);
  return m;
}

void expect_normal(Init init, double deviation) {
  const Moments m = moments(init);
  EXPECT_NEAR(m.mean, 0, 0.03 * deviation);
  EXPECT_NEAR(m.deviation, deviation, 0.02 * deviation);
  EXPECT_GT(m.largest, 3 * deviation);
}

void expect_uniform(Init init, double bound) {
  const Moments m = moments(init);
  EXPECT_NEAR(m.mean, 0, 0.02 * bound);
  EXPECT_NEAR(m.deviation, bound / std::sqrt(3), 0.02 * bound);
  EXPECT_LT(m.largest, bound);
  EXPECT_GT(m.largest, 0.99 * bound);
}

TEST(Init, HasTheSizesOfItsPapers) {
  expect_uniform(uniform_fan_in(25), 1.0 / 5);
  expect_normal(kaiming_normal(50), std::sqrt(2.0 / 50));
  expect_uniform(kaiming_uniform(50), std::sqrt(6.0 / 50));
  expect_normal(xavier_normal(20, 30), std::sqrt(2.0 / 50));
  expect_uniform(xavier_uniform(20, 30), std::sqrt(6.0 / 50));
  expect_normal(normal(0.5), 0.5);
  expect_normal(gpt2(), 0.02);
  expect_normal(gpt2_residual(8), 0.02 / 4);
}

TEST(Init, AConstantIsExact) {
  const Tensor one = initial(ones(), {3, 2}, Dtype::kF32, Rng(1));
  for (const float x : one.values<float>()) EXPECT_EQ(x, 1);
  const Tensor zero = initial(zeros(), {4}, Dtype::kF64, Rng(1));
  for (const double x : zero.values<double>()) EXPECT_EQ(x, 0);
}

TEST(Init, ANormalValueIsRoundedOnceFromF64) {
  const Rng rng = Rng(2).stream("w");
  const Tensor values = initial(normal(0.02), {7}, Dtype::kF32, rng);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(values.values<float>()[i], static_cast<float>(0.02 * rng.normal(i)));
  }
}

TEST(Init, ALayerTakesTheInitializersItIsGiven) {
  Ledger ledger;
  const Store& store = ledger.open("theta", Role::kIdentity);
  const Linear layer(store, "up", {3, 4, true, ones(), zeros()});
  Parameters parameters;
  layer.declare(parameters);
  Proposal proposal{.proposer = "test"};
  add_initial(proposal, parameters, Rng(1), Dtype::kF32);
  ledger.commit(proposal);
  for (const float x : store.at("up.weight").values<float>()) EXPECT_EQ(x, 1);
  for (const float x : store.at("up.bias").values<float>()) EXPECT_EQ(x, 0);
}

}  // namespace
}  // namespace palinode::nn
