#include "experiments/environments/environment.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode::experiments {

Environment::Environment(const Environment& other)
    : task_(other.task_->copy()),
      begun_(other.begun_),
      steps_(other.steps_),
      return_(other.return_) {}

Environment& Environment::operator=(const Environment& other) { return *this = Environment(other); }

void Environment::reset(const Rng& stream) {
  task_->reset(stream);
  begun_ = true;
  steps_ = 0;
  return_ = 0;
}

double Environment::step(std::size_t action) {
  if (action >= actions()) {
    throw Error(fmt::format("environment: action {} is not in [0, {})", action, actions()));
  }
  if (done()) {
    throw Error(
        fmt::format("environment: no episode is running, after {} steps; reset it", steps_));
  }
  const double reward = task_->step(action);
  ++steps_;
  return_ = return_ + reward;
  return reward;
}

}  // namespace palinode::experiments
