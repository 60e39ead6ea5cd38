#include "nn/dropout.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace palinode::nn {

Dropout::Dropout(std::string name, double probability)
    : name_(std::move(name)), probability_(probability) {
  if (probability >= 0 && probability < 1) return;
  throw ShapeError(
      fmt::format("dropout: {}: a probability from 0 to below 1, got {}", name_, probability));
}

Var Dropout::operator()(Run& run, Var x) const {
  if (!run.training() || probability_ == 0) return x;
  if (run.rng() == nullptr) {
    throw NameError(fmt::format(
        "dropout: {}: a pass in train mode needs an rng (RunConfig) to drop by", name_));
  }
  const std::size_t first = run.shard() * x.value().elements();
  return dropout(x, probability_, run.rng()->stream(name_).key(), first);
}

}  // namespace palinode::nn
