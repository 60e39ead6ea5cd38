#include "rbl/diagnostics/worst_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nn/cnn.h"
#include "nn/gpt.h"
#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"

namespace palinode::rbl {
namespace {

double kl_at(const nn::Model& f0, const nn::Model& f1, const Tensor& x) {
  return kl_divergence(log_p_of(f0, x), log_p_of(f1, x)).mean;
}

constexpr AscentConfig kBox{.low = -3, .high = 3};

TEST(WorstInput, IsFarAboveTheProbesWhereALeakHidesFromThem) {
  SmallModels models;
  // f1 differs by a bump of height 8 on one logit around (2, 2, ..., 2), where no probe is near.
  const Tensor height = Tensor::from<float>(std::vector<float>{8, 0, 0, 0}, {1, 4});
  const Planted leaking([&](nn::Run& run, Var x) {
    const Var y = models.f0.forward(run, x);
    const Var middle = run.tape().constant(Tensor::full<float>({1, 6}, 2));
    const Var apart = sub(x, middle);
    const Var squares = square(apart);
    const Var distance = sum(squares, 1, true);
    const Var bump = exp(scale(distance, -0.25));
    const Var part = matmul(bump, run.tape().constant(height));
    return add(y, part);
  });
  const Tensor near_zero = Tensor::from<float>(std::vector<float>(60, 0.25F), {10, 6});
  AscentConfig config = kBox;
  config.random_starts = 0;
  const WorstInput found = worst_input(models.f0, leaking, near_zero, config, Rng(1));
  EXPECT_GT(found.kl, 100 * found.best_start);
  EXPECT_GT(found.kl, 1);
  EXPECT_EQ(found.kl, kl_at(models.f0, leaking, found.input));
}

struct WorstInputTest : testing::Test, SmallModels {
  WorstInputTest() { ledger.commit(noise(changed, 0.2, Rng(3))); }
  Tensor inside() const {
    const Tensor x = Rng(8).uniform({20, 6}, Dtype::kF32, -1, 1);
    return x;
  }
};

TEST_F(WorstInputTest, IsNeverBelowTheBestStartAndStaysInTheBox) {
  const WorstInput found = worst_input(f0, f1, inside(), kBox, Rng(1));
  const std::vector<double> starts =
      kl_divergence(log_p_of(f0, inside()), log_p_of(f1, inside())).per_input;
  EXPECT_GE(found.best_start, *std::ranges::max_element(starts));
  EXPECT_GT(found.kl, 1.5 * found.best_start);
  for (const float v : found.input.values<float>()) EXPECT_LE(std::abs(v), 3);
  EXPECT_EQ(found.evaluations, 36U * 61);
  AscentConfig still = kBox;
  still.steps = 0;
  const WorstInput start = worst_input(f0, f1, inside(), still, Rng(1));
  EXPECT_EQ(start.kl, start.best_start);
}

TEST_F(WorstInputTest, BeatsAsManyRandomInputs) {
  const WorstInput found = worst_input(f0, f1, inside(), kBox, Rng(1));
  const Tensor random = Rng(2).uniform({36 * 61, 6}, Dtype::kF32, -3, 3);
  const std::vector<double> kl =
      kl_divergence(log_p_of(f0, random), log_p_of(f1, random)).per_input;
  EXPECT_GT(found.kl, *std::ranges::max_element(kl));
}

TEST_F(WorstInputTest, HasTheSameBitsEachTime) {
  const WorstInput a = worst_input(f0, f1, inside(), kBox, Rng(1));
  const WorstInput b = worst_input(f0, f1, inside(), kBox, Rng(1));
  EXPECT_TRUE(same_bits(a.input, b.input));
  EXPECT_EQ(a.kl, b.kl);
  EXPECT_EQ(a.start, b.start);
}

TEST_F(WorstInputTest, OfAFunctionAndItselfFindsNothing) {
  EXPECT_EQ(worst_input(f0, f0, inside(), kBox, Rng(1)).kl, 0);
}

// The gradient of KL is 0 where both functions agree, so only a random direction leads out.
TEST_F(WorstInputTest, LeavesAPlateauWhereBothFunctionsAgree) {
  const Planted clipped([&](nn::Run& run, Var x) {
    const Var over = relu(sub(x, run.tape().constant(Tensor::full<float>({1, 6}, 0.5F))));
    const Var y = f0.forward(run, x);
    const Var extra = sum(over, 1, true);
    const Var part = matmul(extra, run.tape().constant(Tensor::full<float>({1, 1}, 1)));
    const Var first = slice(y, 1, 0, 1);
    const Var moved = add(first, part);
    const Var rest = slice(y, 1, 1, 4);
    return concat({moved, rest}, 1);
  });
  AscentConfig config = kBox;
  config.random_starts = 0;
  const Tensor flat = Tensor::zeros({8, 6}, Dtype::kF32);
  const WorstInput found = worst_input(f0, clipped, flat, config, Rng(1));
  EXPECT_EQ(found.best_start, 0);
  EXPECT_GT(found.kl, 0.1);
}

TEST_F(WorstInputTest, RefusesStartsOutsideOfTheBoxAndNoStarts) {
  AscentConfig narrow{.low = -0.1, .high = 0.1};
  EXPECT_THROW(worst_input(f0, f1, inside(), narrow, Rng(1)), Error);
  AscentConfig endless{.low = -INFINITY, .high = 1};
  EXPECT_THROW(worst_input(f0, f1, inside(), endless, Rng(1)), ShapeError);
  EXPECT_THROW(worst_input(f0, f1, Tensor::zeros({2, 0}, Dtype::kF32), kBox, Rng(1)), ShapeError);
  AscentConfig none = kBox;
  none.random_starts = 0;
  EXPECT_THROW(worst_input(f0, f1, inside().rows(0, 0), none, Rng(1)), ShapeError);
}

TEST(WorstInputOfImages, TakesRankFour) {
  Ledger ledger;
  const nn::CnnConfig config{
      .height = 6, .width = 6, .blocks = {{4, 3, 2}}, .hidden = {8}, .classes = 3};
  const Store& a = ledger.open("a", Role::kIdentity);
  const Store& b = ledger.open("b", Role::kIdentity);
  const nn::Cnn f0(a, config), f1(b, config);
  ledger.commit(f0.init(Rng(1)));
  ledger.commit(copy_of(a, b));
  ledger.commit(noise(b, 0.1, Rng(2)));
  const Tensor images = Rng(3).uniform({5, 6, 6, 1}, Dtype::kF32, 0, 1);
  const WorstInput found = worst_input(f0, f1, images, {.steps = 30}, Rng(1));
  EXPECT_EQ(found.input.shape(), (Shape{1, 6, 6, 1}));
  EXPECT_GT(found.kl, found.best_start);
  EXPECT_EQ(found.kl, kl_at(f0, f1, found.input));
}

struct WorstTokensTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& changed = ledger.open("changed", Role::kIdentity);
  nn::GptConfig config{.vocab = 12, .context = 8, .layers = 1, .heads = 2, .width = 16};
  nn::Gpt f0{theta, config}, f1{changed, config};
  Tensor starts =
      Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6, 8, 9, 1, 0}, {2, 5});

  // f1 differs in what it makes of token 7 only.
  WorstTokensTest() {
    ledger.commit(f0.init(Rng(1)));
    ledger.commit(copy_of(theta, changed));
    const Tensor table = theta.at("token.weight");
    std::vector<float> values(table.values<float>().begin(), table.values<float>().end());
    for (std::size_t i = 7 * 16; i < 8 * 16; ++i) values[i] += i % 2 == 0 ? 3.0F : -3.0F;
    ledger.commit({.proposer = "test",
                   .writes = {{&changed, "token.weight", Tensor::from<float>(values, {12, 16})}}});
  }
};

TEST_F(WorstTokensTest, FindsTheTokenThatNoProbeHolds) {
  EXPECT_EQ(kl_at(f0, f1, starts), 0);
  const WorstInput found = worst_tokens(f0, f1, starts, {.vocab = 12, .random_starts = 0}, Rng(1));
  EXPECT_EQ(found.best_start, 0);
  EXPECT_GT(found.kl, 1e-3);
  EXPECT_EQ(std::ranges::count(found.input.values<std::int32_t>(), 7) > 0, true);
  EXPECT_NEAR(found.kl, kl_at(f0, f1, found.input), 1e-15);
}

TEST_F(WorstTokensTest, EndsWhereNoSingleTokenMakesItWorse) {
  const WorstInput found = worst_tokens(f0, f1, starts, {.vocab = 12, .sweeps = 20}, Rng(1));
  const auto best = found.input.values<std::int32_t>();
  for (std::size_t place = 0; place < 5; ++place) {
    for (std::int32_t token = 0; token < 12; ++token) {
      std::vector<std::int32_t> other(best.begin(), best.end());
      other[place] = token;
      const Tensor x = Tensor::from<std::int32_t>(other, {1, 5});
      EXPECT_LE(kl_at(f0, f1, x), found.kl * (1 + 1e-12));
    }
  }
}

TEST_F(WorstTokensTest, WithFewCandidatesIsMonotoneAndRepeatable) {
  const TokenSearchConfig few{.vocab = 12, .candidates = 3};
  const WorstInput a = worst_tokens(f0, f1, starts, few, Rng(1));
  const WorstInput b = worst_tokens(f0, f1, starts, few, Rng(1));
  EXPECT_GE(a.kl, a.best_start);
  EXPECT_TRUE(same_bits(a.input, b.input));
  EXPECT_EQ(a.evaluations, 6U + 6 * 2 * 5 * 3);
}

TEST_F(WorstTokensTest, RefusesWhatIsNoSequence) {
  EXPECT_THROW(worst_tokens(f0, f1, Tensor::zeros({1, 5}, Dtype::kF32), {.vocab = 12}, Rng(1)),
               DtypeError);
  EXPECT_THROW(worst_tokens(f0, f1, starts, {}, Rng(1)), ShapeError);
}

}  // namespace
}  // namespace palinode::rbl
