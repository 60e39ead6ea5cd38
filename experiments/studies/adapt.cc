#include "experiments/studies/adapt.h"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "optim/adam.h"
#include "optim/sgd.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

// The identity is sure of its old answers, so a policy that starts from it hardly explores: without
// a bonus for entropy REINFORCE misses the score within the most steps on most seeds.
constexpr double kEntropyBonus = 0.2;

// One action per row, drawn from softmax(logits): the first class at which the cumulated
// probability exceeds u.
Tensor draw_actions(const Tensor& logits, const Rng& stream, std::uint64_t first) {
  const std::size_t rows = logits.shape()[0], classes = logits.shape()[1];
  const Tensor log_p = rbl::log_probabilities(logits);
  std::vector<double> p(log_p.elements());
  kernels::exp(log_p.values<double>(), p);
  TensorBuilder actions({rows}, Dtype::kI32);
  for (std::size_t i = 0; i < rows; ++i) {
    const double u = stream.uniform(first + i);
    double cumulated = 0;
    std::size_t action = 0;
    for (; action + 1 < classes; ++action) {
      cumulated = cumulated + p[i * classes + action];
      if (u < cumulated) break;
    }
    actions.values<std::int32_t>()[i] = static_cast<std::int32_t>(action);
  }
  return std::move(actions).build();
}

// Reward minus the mean reward of the other samples: unbiased, and without a state to keep.
Tensor advantages(const Tensor& actions, const Tensor& labels) {
  const std::span<const std::int32_t> a = actions.values<std::int32_t>();
  const std::span<const std::int32_t> y = labels.values<std::int32_t>();
  std::size_t rewarded = 0;
  for (std::size_t i = 0; i < a.size(); ++i) rewarded += static_cast<std::size_t>(a[i] == y[i]);
  TensorBuilder advantage({a.size()}, Dtype::kF32);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::size_t reward = a[i] == y[i] ? 1 : 0;
    const float baseline = static_cast<float>(rewarded - reward) / static_cast<float>(a.size() - 1);
    advantage.values<float>()[i] = static_cast<float>(reward) - baseline;
  }
  return std::move(advantage).build();
}

// REINFORCE (Williams 1992): the policy sees an input, names a class, and learns only whether that
// was right.
Var policy_loss(nn::Run& run, const nn::Model& function, const Labelled& batch, const Rng& stream,
                std::uint64_t step) {
  const Var logits = function.forward(run, run.tape().constant(batch.x));
  const Tensor actions = draw_actions(logits.value(), stream, step * batch.size());
  const Var reinforce = cross_entropy(logits, actions, advantages(actions, batch.y));
  const Var log_p = log_softmax(logits);
  const auto classes = static_cast<double>(logits.shape().last());
  const Var negative_entropy = scale(mean(mul(exp(log_p), log_p)), classes);  // mean over rows
  return add(reinforce, scale(negative_entropy, kEntropyBonus));
}

}  // namespace

std::unique_ptr<optim::Optimizer> make_optimizer(Mechanism mechanism, double lr, const Store& state,
                                                 const Store& target) {
  switch (mechanism) {
    case Mechanism::kSgd:
      return std::make_unique<optim::Sgd>(state, target, optim::SgdConfig{.lr = lr});
    case Mechanism::kMomentum:
      return std::make_unique<optim::Sgd>(state, target,
                                          optim::SgdConfig{.lr = lr, .momentum = 0.9});
    case Mechanism::kAdamW: {
      optim::AdamWConfig config;
      config.lr = lr;
      return std::make_unique<optim::AdamW>(state, target, config);
    }
    case Mechanism::kAdam:
    case Mechanism::kPolicyGradient:
      return std::make_unique<optim::Adam>(state, target, optim::AdamConfig{.lr = lr});
  }
  PALINODE_ASSERT(false);
}

double rate_of(const Identity& identity, Mechanism mechanism, const Store& target) {
  const Recipe& recipe = identity.recipes.at(mechanism);
  return target.role() == Role::kBehavior ? recipe.lr_phi : recipe.lr_theta;
}

rbl::Course course_of(const Identity& identity, const Task& task, Mechanism mechanism, double lr,
                      const Rng& stream) {
  const Recipe& recipe = identity.recipes.at(mechanism);
  rbl::Course course;
  course.optimizer = [mechanism, lr](const Store& state, const Store& target) {
    return make_optimizer(mechanism, lr, state, target);
  };
  if (mechanism != Mechanism::kPolicyGradient) {
    course.loss = task_loss(task, stream.stream("batches"), recipe.batch);
    return course;
  }
  course.loss = [at = task.batches(stream.stream("batches"), recipe.batch),
                 actions = stream.stream("actions")](nn::Run& run, const nn::Model& function,
                                                     std::uint64_t t) {
    return policy_loss(run, function, at(t), actions, t);
  };
  return course;
}

Adapted adapt(Ledger& ledger, const Store& target, const nn::Model& function,
              const Identity& identity, const Task& task, const rbl::Course& course,
              const Goal& goal, const Hooks& hooks) {
  const Store& state = ledger.open("optimizer." + target.name(), Role::kOptimizer);
  const std::unique_ptr<optim::Optimizer> optimizer = course.optimizer(state, target);
  Adapted adapted;
  const auto reached = [&] {
    if (goal.done) return goal.done(function);
    return goal.score && adapted.steps % goal.check_every == 0 &&
           score(function, task.train) >= *goal.score;
  };
  for (; adapted.steps < goal.most_steps; ++adapted.steps) {
    if (reached()) {
      adapted.reached = true;
      break;
    }
    Proposal proposal =
        optimizer->propose(rbl::pass(function, course.loss, adapted.steps).gradients);
    if (goal.reason) proposal.reason = *goal.reason;
    proposal.seed = identity.rng.seed();
    ledger.commit(proposal);
    if (hooks.after_step) hooks.after_step(target);
  }
  if (!goal.score && !goal.done) adapted.reached = true;
  if (hooks.after_optimizer) hooks.after_optimizer(state);
  return adapted;
}

Goal goal_of(const Identity& identity, Mechanism mechanism) {
  Goal goal{.score = identity.target,
            .check_every = identity.check_every,
            .most_steps = identity.most_steps};
  if (mechanism == Mechanism::kPolicyGradient) goal.reason = Reason::kPolicyGradient;
  return goal;
}

Adapted adapt(Ledger& ledger, const Store& target, const nn::Model& function,
              const Identity& identity, const Task& task, Mechanism mechanism, const Rng& stream,
              const Hooks& hooks) {
  const double lr = rate_of(identity, mechanism, target);
  return adapt(ledger, target, function, identity, task,
               course_of(identity, task, mechanism, lr, stream), goal_of(identity, mechanism),
               hooks);
}

}  // namespace palinode::experiments
