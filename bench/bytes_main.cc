// What it takes to undo 500 steps of training, in bytes: palinode_bytes
//
// The MLP 64-64-10 under each optimizer, on batches of 32. A snapshot is the weights, or weights
// and moments; the journal is what the ledger keeps; the reversible optimizer keeps integers and
// the bits its products lose (optim/reversible.h); a behavior leaves the weights alone, and to undo
// it is to drop it.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>

#include "autograd/ops.h"
#include "bench/training.h"
#include "nn/mlp.h"
#include "optim/reversible.h"
#include "rbl/behavior.h"
#include "tensor/checkpoint.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"
#include "tensor/undo.h"

namespace palinode::bench {
namespace {

constexpr std::uint64_t kSteps500 = 500;
const nn::MlpConfig kMlp = {.sizes = {64, 64, 10}};

// The gradients of step t, on a batch of its own.
Gradients gradients(const nn::Mlp& model, std::uint64_t t) {
  const Rng rng = Rng(5).stream(t);
  TensorBuilder labels({32}, Dtype::kI32);
  for (std::size_t i = 0; i < 32; ++i) {
    labels.values<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(i, 10));
  }
  Tape tape;
  nn::Run run(tape, {.mode = nn::Mode::kTrain});
  const Var logits =
      model.forward(run, tape.constant(rng.stream("x").normal({32, 64}, Dtype::kF32)));
  return backward(cross_entropy(logits, std::move(labels).build()));
}

void row(const std::string& what, std::uint64_t bytes, const std::string& restores) {
  fmt::print("| {:<40} | {:>12} | {} |\n", what, bytes, restores);
}

// Trains under a journal, undoes it, and says what the journal took.
template <class Optimizer, class Config>
void journal(const char* name, const Config& config) {
  Ledger ledger(Ledger::Level::kJournal);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  const nn::Mlp model(theta, kMlp);
  ledger.commit(model.init(Rng(1).stream("init")));
  const Optimizer optimizer(state, theta, config);
  const std::uint64_t good = ledger.sequence() - 1;
  const auto read_bytes = [&] {
    LedgerReader reader = ledger.read();
    while (reader.next()) {
    }
    return std::pair(reader.payloads(), reader.bytes());
  };
  const auto before = read_bytes();
  const Sha256Digest weights = fingerprint(theta);
  for (std::uint64_t t = 0; t < kSteps500; ++t) {
    ledger.commit(optimizer.propose(gradients(model, t)));
  }
  const auto after = read_bytes();
  row(fmt::format("snapshot of weights and state, {}", name), theta.bytes() + state.bytes(),
      "one moment, all of it");
  ledger.commit(undo(ledger, good));
  const char* exact = fingerprint(theta) == weights ? "every step, all of it" : "NOT EXACT";
  row(fmt::format("journal, {} steps of {}", kSteps500, name), after.first - before.first, exact);
  row(fmt::format("  its records ({} of them)", ledger.sequence()), after.second - before.second,
      "who, why, when");
}

void reversible() {
  Ledger ledger(Ledger::Level::kOff);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  const nn::Mlp model(theta, kMlp);
  ledger.commit(model.init(Rng(1).stream("init")));
  const optim::ReversibleSgd sgd(state, theta, {});
  ledger.commit(sgd.begin());
  for (std::uint64_t t = 0; t < kSteps500; ++t) ledger.commit(sgd.propose(gradients(model, t)));
  row(fmt::format("reversible momentum, {} steps: state", kSteps500), state.bytes(),
      "every step, given its batch again");
  row("  of which bits lost by the products", (sgd.lost_bits() + 7) / 8, "");
}

void behavior() {
  Ledger ledger(Ledger::Level::kOff);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, kMlp);
  ledger.commit(model.init(Rng(1).stream("init")));
  row("snapshot of the weights", theta.bytes(), "one moment, the weights");
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const auto lora = rbl::make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 8}}});
  ledger.commit(lora->init(Rng(1).stream("lora")));
  row("behavior: LoRA of rank 8 on both layers", phi.bytes(), "the identity, by dropping them");
}

int run() {
  fmt::print("| {:<40} | {:>12} | {} |\n|---|---|---|\n", "kept", "bytes", "restores");
  behavior();
  journal<optim::Sgd>("SGD", optim::SgdConfig{});
  journal<optim::Sgd>("momentum 0.9", optim::SgdConfig{.momentum = 0.9});
  journal<optim::Adam>("Adam", optim::AdamConfig{});
  reversible();
  return 0;
}

}  // namespace
}  // namespace palinode::bench

int main() { return palinode::bench::run(); }
