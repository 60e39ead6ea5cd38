#include "experiments/training.h"

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
// a bonus for entropy REINFORCE misses the score within kMostSteps on most seeds.
constexpr double kEntropyBonus = 0.2;

struct Rates {
  double theta, phi;  // a behavior has fewer numbers to move and takes larger steps
};

Rates rates(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kSgd:
      return {0.1, 0.1};
    case Mechanism::kMomentum:
      return {0.02, 0.02};
    case Mechanism::kAdam:
      return {1e-3, 4e-3};
    case Mechanism::kPolicyGradient:
      return {2e-3, 4e-3};
  }
  PALINODE_ASSERT(false);
}

std::unique_ptr<optim::Optimizer> make_optimizer(Ledger& ledger, const Store& target,
                                                 Mechanism mechanism) {
  const Rates rate = rates(mechanism);
  const double lr = target.role() == Role::kBehavior ? rate.phi : rate.theta;
  const Store& state =
      ledger.open(fmt::format("{}.{}", mechanism_name(mechanism), target.name()), Role::kOptimizer);
  if (mechanism == Mechanism::kSgd) {
    return std::make_unique<optim::Sgd>(state, target, optim::SgdConfig{.lr = lr});
  }
  if (mechanism == Mechanism::kMomentum) {
    return std::make_unique<optim::Sgd>(state, target, optim::SgdConfig{.lr = lr, .momentum = 0.9});
  }
  return std::make_unique<optim::Adam>(state, target, optim::AdamConfig{.lr = lr});
}

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

Proposal supervised_step(const optim::Optimizer& optimizer, const nn::Model& function,
                         const Labelled& batch) {
  Tape tape;
  nn::Run run(tape);
  const Var loss = cross_entropy(function.forward(run, tape.constant(batch.x)), batch.y);
  return optimizer.propose(backward(loss));
}

Proposal policy_step(const optim::Optimizer& optimizer, const nn::Model& function,
                     const Labelled& batch, const Rng& stream, std::uint64_t step) {
  Tape tape;
  nn::Run run(tape);
  const Var logits = function.forward(run, tape.constant(batch.x));
  const Tensor actions = draw_actions(logits.value(), stream, step * batch.size());
  const Var reinforce = cross_entropy(logits, actions, advantages(actions, batch.y));
  const Var log_p = log_softmax(logits);
  const auto classes = static_cast<double>(logits.shape().last());
  const Var negative_entropy = scale(mean(mul(exp(log_p), log_p)), classes);  // mean over rows
  const Var loss = add(reinforce, scale(negative_entropy, kEntropyBonus));
  Proposal proposal = optimizer.propose(backward(loss));
  proposal.reason = Reason::kPolicyGradient;
  return proposal;
}

}  // namespace

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kSgd:
      return "sgd";
    case Mechanism::kMomentum:
      return "momentum";
    case Mechanism::kAdam:
      return "adam";
    case Mechanism::kPolicyGradient:
      return "policy-gradient";
  }
  PALINODE_ASSERT(false);
}

nn::MlpConfig mlp_config() { return {.sizes = {64, 64, 10}, .activation = nn::Activation::kTanh}; }

void train_identity(Ledger& ledger, const Store& theta, const Digits& digits, const Rng& stream,
                    const TrainConfig& config, std::string_view state) {
  const nn::Mlp model(theta, mlp_config());
  const optim::Adam adam(ledger.open(std::string(state), Role::kOptimizer), theta,
                         {.lr = config.lr});
  Batches batches(digits.train, stream, config.batch);
  for (std::size_t step = 0; step < config.steps; ++step) {
    Proposal proposal = supervised_step(adam, model, batches.at(step));
    proposal.seed = stream.seed();
    ledger.commit(proposal);
  }
}

std::uint64_t adapt(Ledger& ledger, const Store& target, const nn::Model& function,
                    const Labelled& task, const Rng& stream, Mechanism mechanism) {
  const std::unique_ptr<optim::Optimizer> optimizer = make_optimizer(ledger, target, mechanism);
  const bool policy = mechanism == Mechanism::kPolicyGradient;
  Batches batches(task, stream.stream("batches"), policy ? 64 : 32);
  const Rng actions = stream.stream("actions");
  for (std::size_t step = 0; step < kMostSteps; ++step) {
    if (step % kCheckEvery == 0 &&
        rbl::accuracy(nn::evaluate(function, task.x), task.y) >= kTargetScore) {
      return step;
    }
    const Labelled now = batches.at(step);
    Proposal proposal = policy ? policy_step(*optimizer, function, now, actions, step)
                               : supervised_step(*optimizer, function, now);
    proposal.seed = stream.seed();
    ledger.commit(proposal);
  }
  return kMostSteps;
}

}  // namespace palinode::experiments
