// Train an identity, freeze it, attach a behavior, take the behavior away, prove nothing is left.
#include <iostream>

#include "autograd/ops.h"
#include "experiments/digits.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "rbl/attach.h"
#include "rbl/certificate.h"
#include "tensor/ledger.h"

using namespace palinode;

// Computes what should change and hands it to the one function that may change it.
void train_step(const nn::Model& model, const optim::Adam& adam, Ledger& ledger,
                const experiments::Labelled& batch) {
  Tape tape;
  nn::Run run(tape);
  const Var loss = cross_entropy(model.forward(run, tape.constant(batch.x)), batch.y);
  ledger.commit(adam.propose(backward(loss)));
}

int main() {
  const Rng rng(1);
  const auto digits = experiments::make_tasks(experiments::embedded_digits());
  Ledger ledger;

  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {64, 64, 10}});
  ledger.commit(model.init(rng.stream("init")));
  const optim::Adam adam(ledger.open("adam.theta", Role::kOptimizer), theta, {.lr = 2e-3});
  experiments::Batches identity(digits.train, rng.stream("identity"), 32);
  for (std::size_t step = 0; step < 400; ++step) {
    train_step(model, adam, ledger, identity.at(step));
  }

  ledger.freeze(theta);  // from here a write to theta throws, and its pages are read-only
  const auto before = rbl::observe(model, theta, digits.probes);

  const Store& phi = ledger.open("phi", Role::kBehavior);
  const auto lora = rbl::make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 4}}});
  ledger.commit(lora->init(rng.stream("lora")));
  auto adapted = rbl::attach(model, lora);  // a new function f(x; theta, phi)
  const optim::Adam adam_phi(ledger.open("adam.phi", Role::kOptimizer), phi, {.lr = 4e-3});
  experiments::Batches shifted(digits.shifted_train, rng.stream("behavior"), 32);
  for (std::size_t step = 0; step < 200; ++step) {
    train_step(adapted, adam_phi, ledger, shifted.at(step));
  }
  const auto during = rbl::observe(adapted, theta, digits.probes);

  rbl::detach(std::move(adapted));  // the model was const all along: nothing to undo
  const auto after = rbl::observe(model, theta, digits.probes);

  const auto certificate = rbl::certify(before, during, after);
  std::cout << to_text(certificate);
  return certificate.exact() ? 0 : 1;
}
