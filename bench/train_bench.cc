// Training steps per second of a small classifier, and the ledger's share of them.
//   build/release/palinode_bench          (configure with -DPALINODE_BENCH=ON)
#include <benchmark/benchmark.h>

#include <chrono>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "tensor/parallel.h"

namespace palinode {
namespace {

struct Task {
  Tensor x = Rng(1).stream("x").normal({32, 64}, Dtype::kF32);
  Tensor y = Tensor::full<std::int32_t>({32}, 3);
};

Proposal step(const nn::Model& model, const optim::Optimizer& optimizer, const Task& task) {
  Tape tape;
  nn::Run run(tape);
  return optimizer.propose(
      backward(cross_entropy(model.forward(run, tape.constant(task.x)), task.y)));
}

// MLP 64-64-10, batch 32, one thread. Argument: the ledger's level (0 off, 1 summary, 2 digest).
template <class Optimizer>
void mlp_step(benchmark::State& state) {
  set_threads(1);
  Ledger ledger(static_cast<Ledger::Level>(state.range(0)));
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {64, 64, 10}});
  ledger.commit(model.init(Rng(1)));
  const Optimizer optimizer(ledger.open("state", Role::kOptimizer), theta, {.lr = 1e-3});
  const Task task;
  for (auto _ : state) ledger.commit(step(model, optimizer, task));
  state.counters["steps/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void freeze_16_mib(benchmark::State& state) {
  const Tensor values = Tensor::full<float>({4 << 20}, 1.0F);
  for (auto _ : state) {
    Ledger ledger;
    const Store& store = ledger.open("theta", Role::kIdentity);
    ledger.commit({.proposer = "bench", .writes = {{&store, "w", values, true}}});
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(ledger.freeze(store));
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}

BENCHMARK(mlp_step<optim::Sgd>)->Name("mlp_step/sgd/ledger")->DenseRange(0, 2);
BENCHMARK(mlp_step<optim::Adam>)->Name("mlp_step/adam/ledger")->DenseRange(0, 2);
BENCHMARK(freeze_16_mib)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace palinode
