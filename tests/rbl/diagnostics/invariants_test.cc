#include "rbl/diagnostics/invariants.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/rbl/diagnostics/small_models.h"

namespace palinode::rbl {
namespace {

Divergence of(double d) { return {.per_input = {d}, .mean = d}; }

TEST(Invariants, HoldForDivergencesThatCanBe) {
  EXPECT_TRUE(divergences_hold(of(0), of(0), true));
  EXPECT_TRUE(divergences_hold(of(9.6), of(0.665), false));
  EXPECT_TRUE(divergences_hold(of(INFINITY), of(std::log(2.0)), false));
}

// The last is what a table of the paper printed for JS.
TEST(Invariants, ConvictWhatCanNotBe) {
  EXPECT_FALSE(divergences_hold(of(-1e-17), of(0), false));
  EXPECT_FALSE(divergences_hold(of(1), of(-1e-17), false));
  EXPECT_FALSE(divergences_hold(of(1e-30), of(0), true));
  EXPECT_FALSE(divergences_hold(of(0), of(1e-30), true));
  EXPECT_FALSE(divergences_hold(of(std::nan("")), of(0), false));
  EXPECT_FALSE(divergences_hold(of(1), of(std::nan("")), false));
  EXPECT_FALSE(divergences_hold(of(9.63), of(9.63), false));
}

TEST(Invariants, ConvictOneInputBehindAGoodMean) {
  const Divergence kl{.per_input = {2, -1}, .mean = 0.5}, js{.per_input = {0.1, 0.1}, .mean = 0.1};
  EXPECT_FALSE(divergences_hold(kl, js, false));
  EXPECT_FALSE(divergences_hold(js, of(0.1), false));
}

TEST(InvariantsDeathTest, StopTheProgramWhereAFigureIsWritten) {
  EXPECT_DEATH(check_divergences(of(1), of(0.7), false), "divergences_hold");
}

constexpr std::array<std::size_t, 4> kBatches = {1, 3, 17, 64};
constexpr std::array<std::size_t, 3> kThreads = {1, 2, 3};

TEST(NoiseFloor, OfAFunctionOfTheContractIsZero) {
  const SmallModels models;
  const std::size_t before = threads();
  EXPECT_EQ(noise_floor(models.f0, models.probes, kBatches, kThreads), 0);
  EXPECT_EQ(threads(), before);
}

TEST(NoiseFloor, ShowsAFunctionWhoseRowsMeet) {
  const SmallModels models;
  const Planted meeting([&](nn::Run& run, Var x) {
    const Var y = models.f0.forward(run, x);
    const Var column = mean(y, 0, true);
    return sub(y, column);
  });
  EXPECT_GT(noise_floor(meeting, models.probes, kBatches, kThreads), 1e-6);
}

TEST(NoiseFloor, RefusesBatchesOfNothing) {
  const SmallModels models;
  EXPECT_THROW(evaluate_in_batches(models.f0, models.probes, 0), ShapeError);
}

}  // namespace
}  // namespace palinode::rbl
