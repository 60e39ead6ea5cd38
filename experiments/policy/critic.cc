#include "experiments/policy/critic.h"

#include "autograd/losses.h"
#include "autograd/ops.h"

namespace palinode::experiments::policy {
namespace {

nn::MlpConfig layers(std::size_t width, const CriticConfig& config) {
  nn::MlpConfig mlp{.sizes = {width}, .precision = Precision::kFast};
  mlp.sizes.insert(mlp.sizes.end(), config.hidden.begin(), config.hidden.end());
  mlp.sizes.push_back(1);
  return mlp;
}

const Store& initialized(Ledger& ledger, const std::string& name, const nn::MlpConfig& config,
                         const Rng& stream) {
  const Store& store = ledger.open(name, Role::kOptimizer);
  ledger.commit(nn::Mlp(store, config).init(stream));
  return store;
}

}  // namespace

Critic::Critic(Ledger& ledger, const std::string& name, std::size_t width,
               const CriticConfig& config, const Rng& stream)
    : ledger_(&ledger),
      scale_(config.scale),
      seed_(stream.seed()),
      network_(initialized(ledger, name, layers(width, config), stream), layers(width, config)),
      adam_(ledger.open(name + ".adam", Role::kOptimizer), network_.store(), config.adam) {}

std::vector<double> Critic::values(const Tensor& observations) const {
  const Tensor estimates = nn::evaluate(network_, observations);
  std::vector<double> result;
  for (const float v : estimates.values<float>()) result.push_back(static_cast<double>(v) * scale_);
  return result;
}

void Critic::fit(const Tensor& observations, const Tensor& targets) {
  Tape tape;
  nn::Run run(tape);
  const Var estimates = network_.forward(run, tape.constant(observations));
  const Var wanted = scale(tape.constant(targets.reshape(estimates.shape())), 1 / scale_);
  Proposal proposal = adam_.propose(backward(mse(estimates, wanted)));
  proposal.seed = seed_;
  ledger_->commit(proposal);
}

}  // namespace palinode::experiments::policy
