#include "rbl/course.h"

#include "tensor/error.h"

namespace palinode::rbl {

MakeOptimizer sgd(const optim::SgdConfig& config) {
  return [config](const Store& state, const Store& target) {
    return std::make_unique<optim::Sgd>(state, target, config);
  };
}

MakeOptimizer adam(const optim::AdamConfig& config) {
  return [config](const Store& state, const Store& target) {
    return std::make_unique<optim::Adam>(state, target, config);
  };
}

Pass pass(const nn::Model& function, const Loss& loss, std::uint64_t t) {
  Tape tape;
  nn::Run run(tape);
  const Var value = loss(run, function, t);
  return {backward(value), {.passes = 1, .flops = flops_of(tape)}};
}

Work run(Ledger& ledger, const Store& target, const nn::Model& function, const Course& course,
         const CourseOptions& options) {
  const Store& state = ledger.open(options.state, Role::kOptimizer);
  const std::unique_ptr<optim::Optimizer> optimizer = course.optimizer(state, target);
  Work work;
  for (std::uint64_t t = 0; t < course.steps; ++t) {
    const Pass now = pass(function, course.loss, t);
    work += now.work;
    Proposal proposal = optimizer->propose(now.gradients, {.scale = options.scale});
    proposal.seed = options.seed;
    if (options.reason) proposal.reason = *options.reason;
    try {
      ledger.commit(proposal);
    } catch (const NonFiniteError&) {
      if (!options.stop_if_not_finite) throw;
      break;  // refused whole: the target is what it was
    }
    if (options.after_step) options.after_step(target);
  }
  return work;
}

}  // namespace palinode::rbl
