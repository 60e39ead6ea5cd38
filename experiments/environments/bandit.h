// Bandit: a contextual bandit made of labelled examples. It shows one, is told a class, pays 1 if
// that is the example's and 0 otherwise, and is over.
#pragma once

#include <cstddef>
#include <span>

#include "experiments/data_sets/labelled.h"
#include "experiments/environments/environment.h"

namespace palinode::experiments {

class Bandit {
 public:
  // The examples outlive the task. Throws Error if there are none, or a label is not below
  // `classes`.
  Bandit(const Labelled& examples, std::size_t classes);

  std::size_t width() const { return examples_->x.shape().last(); }
  std::size_t actions() const { return classes_; }
  void reset(const Rng& stream);  // the example is number below(0, n) of the stream
  void observe(std::span<float> out) const;
  double step(std::size_t action);
  Progress progress() const { return shown_ ? Progress::kRunning : Progress::kEnded; }

 private:
  const Labelled* examples_;
  std::size_t classes_;
  std::size_t example_ = 0;
  bool shown_ = false;
};

}  // namespace palinode::experiments
