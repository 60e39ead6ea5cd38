#include "experiments/environments/grid_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::string_view kMap =
    "........"
    "..#....."
    "..#..##."
    "..#....."
    ".....#.."
    ".###.#.."
    ".....#.."
    "........";
static_assert(kMap.size() == GridWorld::kCells);

}  // namespace

GridWorld::GridWorld(std::size_t goal) : goal_(goal) {
  if (goal >= kCells || wall(goal)) {
    throw Error(fmt::format("grid world: the goal is a free cell below {}, got {}", kCells, goal));
  }
}

bool GridWorld::wall(std::size_t cell) { return kMap[cell] == '#'; }

std::size_t GridWorld::after(std::size_t cell, std::size_t action) {
  const std::size_t row = cell / kSide, column = cell % kSide;
  std::size_t to = cell;
  if (action == 0 && row > 0) to = cell - kSide;
  if (action == 1 && column + 1 < kSide) to = cell + 1;
  if (action == 2 && row + 1 < kSide) to = cell + kSide;
  if (action == 3 && column > 0) to = cell - 1;
  return wall(to) ? cell : to;
}

void GridWorld::reset(const Rng& stream) {
  std::vector<std::size_t> starts;
  for (std::size_t cell = 0; cell < kCells; ++cell) {
    if (!wall(cell) && cell != goal_) starts.push_back(cell);
  }
  cell_ = starts[static_cast<std::size_t>(stream.below(0, starts.size()))];
  steps_ = 0;
}

void GridWorld::observe(std::span<float> out) const {
  std::ranges::fill(out, 0.0F);
  out[cell_] = 1;
}

double GridWorld::step(std::size_t action) {
  cell_ = after(cell_, action);
  ++steps_;
  return cell_ == goal_ ? 1 : -kStepCost;
}

Progress GridWorld::progress() const {
  if (cell_ == goal_) return Progress::kEnded;
  return steps_ >= kMaxSteps ? Progress::kCut : Progress::kRunning;
}

std::vector<std::size_t> GridWorld::distances() const {
  std::vector<std::size_t> distance(kCells, kCells), reached = {goal_};
  distance[goal_] = 0;
  // Moves can be taken back, so the way from the goal is the way to it.
  for (std::size_t next = 0; next < reached.size(); ++next) {
    for (std::size_t action = 0; action < 4; ++action) {
      const std::size_t to = after(reached[next], action);
      if (distance[to] != kCells) continue;
      distance[to] = distance[reached[next]] + 1;
      reached.push_back(to);
    }
  }
  return distance;
}

double GridWorld::best_return() const {
  double total = 0;
  std::size_t starts = 0;
  for (const std::size_t d : distances()) {
    if (d == 0 || d == kCells) continue;
    total = total + (1 - kStepCost * static_cast<double>(d - 1));
    ++starts;
  }
  return total / static_cast<double>(starts);
}

}  // namespace palinode::experiments
