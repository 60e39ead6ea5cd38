#include "experiments/environments/grid_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kSide = GridWorld::kSide, kCells = GridWorld::kCells;

std::size_t cell(std::size_t row, std::size_t column) { return row * kSide + column; }

// A second way to the distances: relaxed until nothing changes, over neighbours by coordinates.
std::vector<std::size_t> relaxed_distances(std::size_t goal) {
  std::vector<std::size_t> distance(kCells, kCells);
  distance[goal] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t row = 0; row < kSide; ++row) {
      for (std::size_t column = 0; column < kSide; ++column) {
        if (GridWorld::wall(cell(row, column))) continue;
        std::size_t& mine = distance[cell(row, column)];
        const auto look = [&](std::size_t neighbour) {
          if (GridWorld::wall(neighbour) || distance[neighbour] + 1 >= mine) return;
          mine = distance[neighbour] + 1;
          changed = true;
        };
        if (row > 0) look(cell(row - 1, column));
        if (row + 1 < kSide) look(cell(row + 1, column));
        if (column > 0) look(cell(row, column - 1));
        if (column + 1 < kSide) look(cell(row, column + 1));
      }
    }
  }
  return distance;
}

TEST(GridWorld, MovesToTheFourWindsAndNotThroughWallsOrOffTheGrid) {
  EXPECT_EQ(GridWorld::after(cell(4, 4), 0), cell(3, 4));
  EXPECT_EQ(GridWorld::after(cell(4, 3), 1), cell(4, 4));
  EXPECT_EQ(GridWorld::after(cell(3, 4), 2), cell(4, 4));
  EXPECT_EQ(GridWorld::after(cell(4, 4), 3), cell(4, 3));
  EXPECT_EQ(GridWorld::after(cell(1, 1), 1), cell(1, 1)) << "a wall";
  EXPECT_EQ(GridWorld::after(cell(0, 5), 0), cell(0, 5)) << "the north edge";
  EXPECT_EQ(GridWorld::after(cell(2, 7), 1), cell(2, 7)) << "the east edge";
  EXPECT_EQ(GridWorld::after(cell(7, 0), 2), cell(7, 0)) << "the south edge";
  EXPECT_EQ(GridWorld::after(cell(7, 0), 3), cell(7, 0)) << "the west edge";
}

TEST(GridWorld, KnowsTheDistancesToEachGoal) {
  for (const std::size_t goal : {GridWorld::kGoalA, GridWorld::kGoalB}) {
    EXPECT_EQ(GridWorld(goal).distances(), relaxed_distances(goal));
    for (std::size_t i = 0; i < kCells; ++i) {
      EXPECT_EQ(GridWorld(goal).distances()[i] == kCells, GridWorld::wall(i)) << i;
    }
  }
}

// Value iteration of the undiscounted task gives the best return from each cell.
TEST(GridWorld, HasTheBestReturnOfValueIteration) {
  for (const std::size_t goal : {GridWorld::kGoalA, GridWorld::kGoalB}) {
    std::vector<double> value(kCells, -10);
    value[goal] = 0;
    for (std::size_t sweep = 0; sweep < kCells; ++sweep) {
      for (std::size_t i = 0; i < kCells; ++i) {
        if (i == goal || GridWorld::wall(i)) continue;
        for (std::size_t action = 0; action < 4; ++action) {
          const std::size_t to = GridWorld::after(i, action);
          value[i] = std::max(value[i], to == goal ? 1 : value[to] - GridWorld::kStepCost);
        }
      }
    }
    double total = 0;
    std::size_t starts = 0;
    for (std::size_t i = 0; i < kCells; ++i) {
      if (i == goal || GridWorld::wall(i)) continue;
      total += value[i];
      ++starts;
    }
    EXPECT_NEAR(GridWorld(goal).best_return(), total / static_cast<double>(starts), 1e-12);
  }
}

TEST(GridWorld, BeginsInEveryFreeCellButTheGoal) {
  GridWorld world(GridWorld::kGoalB);
  std::set<std::size_t> starts;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    world.reset(Rng(1).stream(i));
    starts.insert(world.cell());
  }
  std::size_t free = 0;
  for (std::size_t i = 0; i < kCells; ++i) free += GridWorld::wall(i) ? 0 : 1;
  EXPECT_EQ(starts.size(), free - 1);
  EXPECT_FALSE(starts.contains(GridWorld::kGoalB));
  EXPECT_TRUE(std::ranges::none_of(starts, GridWorld::wall));
}

TEST(GridWorld, EarnsOneLessTheCostOfTheWayAndEndsInTheGoal) {
  GridWorld world(GridWorld::kGoalA);
  const std::vector<std::size_t> distance = world.distances();
  for (std::uint64_t i = 0; i < 20; ++i) {
    world.reset(Rng(2).stream(i));
    const std::size_t d = distance[world.cell()];
    double earned = 0;
    for (std::size_t step = 0; step < d; ++step) {
      ASSERT_EQ(world.progress(), Progress::kRunning);
      std::size_t action = 0;
      while (distance[GridWorld::after(world.cell(), action)] >= distance[world.cell()]) ++action;
      earned += world.step(action);
    }
    EXPECT_EQ(world.progress(), Progress::kEnded);
    EXPECT_NEAR(earned, 1 - 0.02 * static_cast<double>(d - 1), 1e-12);
  }
}

TEST(GridWorld, IsCutOffAfterFiftySteps) {
  GridWorld world(GridWorld::kGoalB);
  world.reset(Rng(1));
  for (std::size_t step = 0; step < 50; ++step) {
    ASSERT_EQ(world.progress(), Progress::kRunning) << step;
    EXPECT_EQ(world.step(0), -GridWorld::kStepCost);
  }
  EXPECT_EQ(world.progress(), Progress::kCut);
}

TEST(GridWorld, ShowsTheCellAndNothingElse) {
  GridWorld world(GridWorld::kGoalA);
  world.reset(Rng(5));
  std::array<float, kCells> seen = {};
  world.observe(seen);
  for (std::size_t i = 0; i < kCells; ++i) EXPECT_EQ(seen[i], i == world.cell() ? 1.0F : 0.0F);
}

TEST(GridWorld, RefusesAWallAsItsGoal) { EXPECT_THROW(GridWorld(cell(1, 2)), Error); }

}  // namespace
}  // namespace palinode::experiments
