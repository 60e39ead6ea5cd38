// Forgetting and transfer over a sequence of tasks, from the scores of every task after every
// stage of training.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace palinode::rbl {

// Scores [stage, task], higher being better: row i after training on task i, i counted from 0. A
// task may be scored as often as one likes within a stage; the last score of the stage is the one
// that counts, and a later stage never replaces an earlier one's (a metric that compares the first
// and the last evaluation sees no forgetting when it evaluates often:
// github.com/ContinualAI/avalanche/issues/1093).
class ScoreMatrix {
 public:
  explicit ScoreMatrix(std::size_t tasks);

  // The score of `task` now, in the stage of training on task `stage`. Throws ShapeError for a
  // number out of range, NonFiniteError for a score that is not finite.
  void record(std::size_t stage, std::size_t task, double score);
  // The score of a task before any training; needed for forward transfer only.
  void record_before(std::size_t task, double score);

  std::size_t tasks() const { return tasks_; }
  // Throw ShapeError naming what was never recorded.
  double at(std::size_t stage, std::size_t task) const;
  double before(std::size_t task) const;

 private:
  std::size_t tasks_;
  std::vector<std::optional<double>> scores_, before_;
};

// With R[i][j] the score of task j after stage i, b[j] before any training, T tasks:
struct Forgetting {
  // Mean of R[T-1][j] over all j.
  double average = 0;
  // Backward transfer: mean over j < T-1 of R[T-1][j] - R[j][j]; negative where later training cost
  // an earlier task (Lopez-Paz and Ranzato, arXiv:1706.08840).
  double backward_transfer = 0;
  // Mean over j < T-1 of (max over j <= i < T-1 of R[i][j]) - R[T-1][j] (Chaudhry et al.,
  // arXiv:1801.10112, from the stage in which the task was learned on).
  double forgetting = 0;
  std::vector<double> per_task;  // of that mean; T-1 of them
};

// Throws ShapeError for fewer than two tasks, of which none can be forgotten, and for a score that
// is missing.
Forgetting forgetting(const ScoreMatrix& scores);

// Forward transfer: mean over j > 0 of R[j-1][j] - b[j], what earlier tasks gave a later one before
// its own training (the same paper). Throws as above.
double forward_transfer(const ScoreMatrix& scores);

}  // namespace palinode::rbl
