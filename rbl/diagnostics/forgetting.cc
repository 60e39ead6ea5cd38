#include "rbl/diagnostics/forgetting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

double mean_of(const std::vector<double>& values) {
  return kernels::sum<double>(values) / static_cast<double>(values.size());
}

void check_task(std::string_view what, std::size_t number, std::size_t tasks) {
  if (number < tasks) return;
  throw ShapeError(fmt::format("scores: {} {} of {} tasks", what, number, tasks));
}

void check_score(double score) {
  if (!std::isfinite(score)) throw NonFiniteError("scores: a score is not finite");
}

void check_two(const ScoreMatrix& scores) {
  if (scores.tasks() >= 2) return;
  throw ShapeError(fmt::format("forgetting: needs at least two tasks, got {}", scores.tasks()));
}

}  // namespace

ScoreMatrix::ScoreMatrix(std::size_t tasks)
    : tasks_(tasks), scores_(tasks * tasks), before_(tasks) {}

void ScoreMatrix::record(std::size_t stage, std::size_t task, double score) {
  check_task("stage", stage, tasks_);
  check_task("task", task, tasks_);
  check_score(score);
  scores_[stage * tasks_ + task] = score;
}

void ScoreMatrix::record_before(std::size_t task, double score) {
  check_task("task", task, tasks_);
  check_score(score);
  before_[task] = score;
}

double ScoreMatrix::at(std::size_t stage, std::size_t task) const {
  check_task("stage", stage, tasks_);
  check_task("task", task, tasks_);
  const std::optional<double>& score = scores_[stage * tasks_ + task];
  if (!score) {
    throw ShapeError(fmt::format("scores: task {} was not scored in stage {}", task, stage));
  }
  return *score;
}

double ScoreMatrix::before(std::size_t task) const {
  check_task("task", task, tasks_);
  if (!before_[task]) {
    throw ShapeError(fmt::format("scores: task {} was not scored before training", task));
  }
  return *before_[task];
}

Forgetting forgetting(const ScoreMatrix& scores) {
  check_two(scores);
  const std::size_t last = scores.tasks() - 1;
  std::vector<double> at_end, transfers;
  Forgetting result;
  for (std::size_t task = 0; task <= last; ++task) {
    at_end.push_back(scores.at(last, task));
    if (task == last) break;
    transfers.push_back(at_end.back() - scores.at(task, task));
    double best = scores.at(task, task);
    for (std::size_t stage = task + 1; stage < last; ++stage) {
      best = std::max(best, scores.at(stage, task));
    }
    result.per_task.push_back(best - at_end.back());
  }
  result.average = mean_of(at_end);
  result.backward_transfer = mean_of(transfers);
  result.forgetting = mean_of(result.per_task);
  return result;
}

double forward_transfer(const ScoreMatrix& scores) {
  check_two(scores);
  std::vector<double> transfers;
  for (std::size_t task = 1; task < scores.tasks(); ++task) {
    transfers.push_back(scores.at(task - 1, task) - scores.before(task));
  }
  return mean_of(transfers);
}

}  // namespace palinode::rbl
