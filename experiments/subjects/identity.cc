#include "experiments/subjects/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/usage_error.h"
#include "rbl/metrics.h"
#include "tensor/error.h"

namespace palinode::experiments {

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kSgd:
      return "sgd";
    case Mechanism::kMomentum:
      return "momentum";
    case Mechanism::kAdam:
      return "adam";
    case Mechanism::kAdamW:
      return "adamw";
    case Mechanism::kPolicyGradient:
      return "policy-gradient";
  }
  PALINODE_ASSERT(false);
}

Mechanism mechanism_named(std::string_view name) {
  std::string known;
  for (const Mechanism each : {Mechanism::kSgd, Mechanism::kMomentum, Mechanism::kAdam,
                               Mechanism::kAdamW, Mechanism::kPolicyGradient}) {
    if (mechanism_name(each) == name) return each;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", mechanism_name(each));
  }
  throw UsageError(fmt::format("no mechanism \"{}\"; there are {}", name, known));
}

double score(const nn::Model& function, const Labelled& examples) {
  // In parts that fit into the caches; a row's bits do not depend on the others'.
  constexpr std::size_t kPart = 256;
  const std::size_t rows = examples.x.shape()[0], labels = examples.y.elements() / rows;
  double right = 0;
  for (std::size_t begin = 0; begin < rows; begin += kPart) {
    const std::size_t end = std::min(rows, begin + kPart);
    const Tensor y = examples.y.rows(begin * labels, end * labels);
    const double part = rbl::accuracy(nn::evaluate(function, examples.x.rows(begin, end)), y);
    right = right + std::round(part * static_cast<double>(y.elements()));
  }
  return right / static_cast<double>(examples.y.elements());
}

rbl::Loss task_loss(const Task& task, const Rng& stream, std::size_t batch) {
  return
      [at = task.batches(stream, batch)](nn::Run& run, const nn::Model& function, std::uint64_t t) {
        const Labelled now = at(t);
        return cross_entropy(function.forward(run, run.tape().constant(now.x)), now.y);
      };
}

void finish(Identity& identity) {
  identity.ledger->freeze(*identity.theta);
  identity.seen = rbl::observe(*identity.network, *identity.theta, identity.probes);
  identity.task_metric = score(*identity.network, identity.shifted().held_out);
  identity.identity_metric = score(*identity.network, identity.original.held_out);
}

}  // namespace palinode::experiments
