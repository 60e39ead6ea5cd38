#include "rbl/diagnostics/envelope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Envelope, HasTheQuantilesOfItsDraws) {
  std::vector<double> draws;
  for (int i = 20; i >= 0; --i) draws.push_back(i);
  const Envelope found = envelope(draws);
  EXPECT_EQ(found.draws, 21U);
  EXPECT_EQ(found.mean, 10);
  EXPECT_EQ(found.lowest, 0);
  EXPECT_EQ(found.q05, 1);
  EXPECT_EQ(found.q25, 5);
  EXPECT_EQ(found.median, 10);
  EXPECT_EQ(found.q75, 15);
  EXPECT_EQ(found.q95, 19);
  EXPECT_EQ(found.highest, 20);
}

TEST(Envelope, InterpolatesBetweenNeighbours) {
  EXPECT_EQ(quantile(std::vector<double>{1, 2, 4}, 0.75), 3);
  EXPECT_EQ(quantile(std::vector<double>{7}, 0.3), 7);
}

TEST(Envelope, StandsAnInfiniteDrawAndRefusesNone) {
  const Envelope found = envelope(std::vector<double>{1, kInf, 2});
  EXPECT_EQ(found.median, 2);
  EXPECT_EQ(found.highest, kInf);
  EXPECT_EQ(found.mean, kInf);
  EXPECT_FALSE(std::isnan(found.q75));
  EXPECT_THROW(envelope({}), ShapeError);
  EXPECT_THROW(envelope(std::vector<double>{std::nan("")}), NonFiniteError);
}

// The intervals for 3, 4 and 1 hits in 10 are those of Brown, Cai and DasGupta's tables.
TEST(Wilson, GivesTheIntervalsOfTheTables) {
  EXPECT_NEAR(wilson(3, 10).lo, 0.1078, 1e-4);
  EXPECT_NEAR(wilson(3, 10).hi, 0.6032, 1e-4);
  EXPECT_NEAR(wilson(4, 10).lo, 0.1682, 1e-4);
  EXPECT_NEAR(wilson(4, 10).hi, 0.6873, 1e-4);
  EXPECT_NEAR(wilson(1, 10).lo, 0.0179, 1e-4);
  EXPECT_NEAR(wilson(1, 10).hi, 0.4042, 1e-4);
}

TEST(Wilson, HasAWidthAtBothEnds) {
  EXPECT_EQ(wilson(0, 10).lo, 0);
  EXPECT_NEAR(wilson(0, 10).hi, 0.2775, 1e-4);
  EXPECT_NEAR(wilson(10, 10).lo, 0.7225, 1e-4);
  EXPECT_EQ(wilson(10, 10).hi, 1);
  EXPECT_MESSAGE(wilson(3, 2), ShapeError, "wilson: 3 hits in 2 trials");
  EXPECT_THROW(wilson(0, 0), ShapeError);
}

}  // namespace
}  // namespace palinode::rbl
