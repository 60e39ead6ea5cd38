// Training a layer wide enough for its kernels to be split over threads.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "tensor/parallel.h"

namespace palinode::optim {
namespace {

Sha256Digest train_wide() {
  Ledger ledger(Ledger::Level::kOff);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {300, 700, 10}, .activation = nn::Activation::kGelu});
  ledger.commit(model.init(Rng(1)));
  const Adam adam(ledger.open("adam", Role::kOptimizer), theta, {});
  const Tensor x = Rng(1).stream("x").normal({257, 300}, Dtype::kF32);
  const Tensor y = Tensor::full<std::int32_t>({257}, 4);
  for (int step = 0; step < 3; ++step) {
    Tape tape;
    nn::Run run(tape);
    ledger.commit(adam.propose(backward(cross_entropy(model.forward(run, tape.constant(x)), y))));
  }
  return fingerprint(theta);
}

TEST(Threads, DoNotChangeABitOfTraining) {
  const std::size_t before = threads();
  set_threads(1);
  const Sha256Digest want = train_wide();
  for (const std::size_t count : {2U, 3U, 7U}) {
    set_threads(count);
    EXPECT_EQ(train_wide(), want) << count << " threads";
  }
  set_threads(before);
}

}  // namespace
}  // namespace palinode::optim
