// GridWorld: an 8 x 8 grid of cells with walls and one goal, which is the task.
//
//   . . . . . . . .     # wall, . free cell; the first row is the north one, and cells are counted
//   . A # . . . . .     from 0 along the rows.
//   . . # . . # # .
//   . . # . . . . .     A and B: the goals of the identity's task and of the adaptation's.
//   . . . . . # . .
//   . # # # . # . .
//   . . . . . # B .
//   . . . . . . . .
//
// An episode begins in a free cell other than the goal, and ends in the goal; after 50 steps it is
// cut off. The four actions move one cell to the north, east, south and west; a move into a wall or
// off the grid stays where it is. A step costs 0.02 and the one that reaches the goal earns 1
// instead, so the best return from distance d is 1 - 0.02 (d - 1).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "experiments/environments/environment.h"

namespace palinode::experiments {

class GridWorld {
 public:
  static constexpr std::size_t kSide = 8;
  static constexpr std::size_t kCells = kSide * kSide;
  static constexpr std::size_t kMaxSteps = 50;
  static constexpr double kStepCost = 0.02;
  static constexpr std::size_t kGoalA = 1 * kSide + 1, kGoalB = 6 * kSide + 6;

  // Throws Error for a goal that is not a free cell.
  explicit GridWorld(std::size_t goal);

  static bool wall(std::size_t cell);
  // Where an action leads from a free cell.
  static std::size_t after(std::size_t cell, std::size_t action);

  std::size_t width() const { return kCells; }
  std::size_t actions() const { return 4; }
  // The first cell is number below(0, n) of the stream of the n there are to begin in.
  void reset(const Rng& stream);
  void observe(std::span<float> out) const;  // 1 at the cell, 0 elsewhere
  double step(std::size_t action);
  Progress progress() const;

  std::size_t cell() const { return cell_; }
  std::size_t goal() const { return goal_; }
  // Steps to the goal from each cell; kCells for a wall.
  std::vector<std::size_t> distances() const;
  // The mean over all first cells of the best return there is.
  double best_return() const;

 private:
  std::size_t goal_;
  std::size_t cell_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace palinode::experiments
