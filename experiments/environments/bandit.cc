#include "experiments/environments/bandit.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode::experiments {

Bandit::Bandit(const Labelled& examples, std::size_t classes)
    : examples_(&examples), classes_(classes) {
  if (examples.size() == 0) throw Error("bandit: needs at least one example");
  for (const std::int32_t label : examples.y.values<std::int32_t>()) {
    if (label >= 0 && static_cast<std::size_t>(label) < classes) continue;
    throw Error(fmt::format("bandit: label {} is not in [0, {})", label, classes));
  }
}

void Bandit::reset(const Rng& stream) {
  example_ = static_cast<std::size_t>(stream.below(0, examples_->size()));
  shown_ = true;
}

void Bandit::observe(std::span<float> out) const {
  std::ranges::copy(examples_->x.values<float>().subspan(example_ * width(), width()), out.begin());
}

double Bandit::step(std::size_t action) {
  shown_ = false;
  const std::int32_t label = examples_->y.values<std::int32_t>()[example_];
  return static_cast<std::size_t>(label) == action ? 1 : 0;
}

}  // namespace palinode::experiments
