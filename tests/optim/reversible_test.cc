// A run played backwards: the exact bits of every weight and velocity on the way.
#include "optim/reversible.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/reversible_adam.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::optim {
namespace {

TEST(ExactRatio, TakesBackWhatItMultiplied) {
  std::mt19937_64 random(1);
  for (const Ratio ratio : {Ratio{9, 10}, {1, 2}, {1, 65536}, {65535, 65536}, {7, 7}, {99, 100}}) {
    for (int trial = 0; trial < 2000; ++trial) {
      const auto value = static_cast<std::int64_t>(random()) >> (11 + trial % 50);
      const Lossless x{value, (random() >> (1 + trial % 60)) / static_cast<std::uint64_t>(ratio.d)};
      const Lossless y = multiply(x, ratio);
      EXPECT_EQ(unmultiply(y, ratio), x);
      const double exact =
          static_cast<double>(value) * static_cast<double>(ratio.n) / static_cast<double>(ratio.d);
      EXPECT_NEAR(static_cast<double>(y.value), exact,
                  static_cast<double>(ratio.n) + 1 + std::abs(exact) * 1e-15);
    }
  }
}

TEST(ExactRatio, NoBufferOverflowsBeforeItsWordIsPutAway) {
  for (const Ratio ratio : {Ratio{9, 10}, {1, 2}, {1, 65536}, {65535, 65536}, {7, 7}, {99, 100}}) {
    const std::uint64_t steps = steps_per_word(ratio);
    ASSERT_GE(steps, 1U);
    Lossless x;
    for (std::uint64_t word = 0; word < 10; ++word) {
      for (std::uint64_t step = 0; step < steps; ++step) {
        x = multiply({-1, x.lost}, ratio);  // the largest remainder there is
        ASSERT_LT(x.lost, buffer_limit(ratio));
      }
      x.lost >>= 32U;
    }
  }
  EXPECT_EQ(steps_per_word({9, 10}), 210U);
}

struct ReversibleTest : testing::Test {
  Ledger ledger{Ledger::Level::kSummary};
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  nn::Mlp model{theta, {.sizes = {6, 7, 3}}};
  Rng rng{3};

  ReversibleTest() { ledger.commit(model.init(rng.stream("init"))); }

  // Of the batch of step t.
  Gradients gradients(std::uint64_t t) const {
    Tape tape;
    return backward(loss(tape, t));
  }
  double loss(std::uint64_t t) const {
    Tape tape;
    return loss(tape, t).value().item();
  }
  Var loss(Tape& tape, std::uint64_t t) const {
    const Tensor x = rng.stream("x").stream(t % 8).normal({5, 6}, Dtype::kF32);
    nn::Run run(tape);
    const Var y = model.forward(run, tape.constant(x));
    const Tensor labels = Tensor::from<std::int32_t>(std::vector<std::int32_t>{0, 1, 2, 1, 0}, {5});
    return cross_entropy(y, labels);
  }
  void forward(const Reversible& sgd) { ledger.commit(sgd.propose(gradients(sgd.steps()))); }
  void back(const Reversible& sgd) {
    const std::uint64_t before = sgd.steps() - 1;
    ledger.commit(sgd.rewind_weights());
    ledger.commit(sgd.rewind_moments(gradients(before)));
  }
  // Of all weights, moments and buffers.
  Sha256Digest digest() const {
    Sha256 sha;
    sha.add(fingerprint(theta));
    for (const Entry& entry : theta.entries()) {
      for (const std::string slot : {"w/", "m/", "v/", "lost/", "lost.m/", "lost.v/"}) {
        if (!state.contains(slot + entry.name)) continue;
        sha.add(leaf_digest(slot + entry.name, state.at(slot + entry.name)));
      }
    }
    return sha.finish();
  }
};

TEST_F(ReversibleTest, FiveHundredStepsForwardAndBackGiveEveryBitOnTheWay) {
  const Schedule lr = ScheduleConfig{.peak = 0.05, .warmup = 20, .steps = 600};
  const ReversibleSgd sgd(state, theta, {.lr = lr});
  ledger.commit(sgd.begin());
  std::vector<Sha256Digest> on_the_way;
  const double first = loss(0);
  for (int step = 0; step < 500; ++step) {
    on_the_way.push_back(digest());
    forward(sgd);
  }
  EXPECT_LT(loss(0), first / 2);  // it learns
  const double bits =
      static_cast<double>(sgd.lost_bits()) / 500.0 / static_cast<double>(theta.elements());
  EXPECT_NEAR(bits, std::log2(10.0 / 9.0), 0.002);  // what a product with 9 / 10 must lose
  RecordProperty("bits_per_parameter_and_step", std::to_string(bits));
  for (int step = 499; step >= 0; --step) {
    back(sgd);
    ASSERT_EQ(digest(), on_the_way[static_cast<std::size_t>(step)]) << "back to step " << step;
  }
  EXPECT_EQ(sgd.steps(), 0U);
  EXPECT_EQ(sgd.lost_bits(), 0U);
  for (int step = 0; step < 200; ++step) forward(sgd);  // and forward again
  EXPECT_EQ(digest(), on_the_way[200]);
}

TEST_F(ReversibleTest, FiveHundredStepsOfAdamForwardAndBackGiveEveryBitOnTheWay) {
  const ReversibleAdam adam(state, theta, {.lr = 0.01});
  ledger.commit(adam.begin());
  std::vector<Sha256Digest> on_the_way;
  const double first = loss(0);
  for (int step = 0; step < 500; ++step) {
    on_the_way.push_back(digest());
    forward(adam);
  }
  EXPECT_LT(loss(0), first / 2);
  const double bits =
      static_cast<double>(adam.lost_bits()) / 500.0 / static_cast<double>(theta.elements());
  EXPECT_NEAR(bits, std::log2(10.0 / 9.0) + std::log2(1000.0 / 999.0), 0.03);
  for (int step = 499; step >= 0; --step) {
    back(adam);
    ASSERT_EQ(digest(), on_the_way[static_cast<std::size_t>(step)]) << "back to step " << step;
  }
  EXPECT_EQ(adam.steps(), 0U);
  EXPECT_EQ(adam.lost_bits(), 0U);
}

TEST_F(ReversibleTest, StaysBesideAdam) {
  const Store& other = ledger.open("other", Role::kIdentity);
  const Store& moments = ledger.open("moments", Role::kOptimizer);
  const ReversibleAdam reversible(state, theta, {.lr = 0.003});
  ledger.commit(reversible.begin());
  ledger.commit(copy_of(theta, other));
  const Adam adam(moments, other, {.lr = 0.003});
  const auto moved = [&](const Store& store) {
    double total = 0;
    for (const Entry& entry : store.entries()) {
      for (const float x : entry.value.values<float>()) total += std::abs(static_cast<double>(x));
    }
    return total;
  };
  const double before = moved(theta);
  for (std::uint64_t t = 0; t < 30; ++t) {
    forward(reversible);
    const nn::Mlp twin(other, {.sizes = {6, 7, 3}});
    const Tensor x = rng.stream("x").stream(t % 8).normal({5, 6}, Dtype::kF32);
    Tape tape;
    nn::Run run(tape);
    const Var y = twin.forward(run, tape.constant(x));
    const Tensor labels = Tensor::from<std::int32_t>(std::vector<std::int32_t>{0, 1, 2, 1, 0}, {5});
    ledger.commit(adam.propose(backward(cross_entropy(y, labels))));
  }
  EXPECT_GT(std::abs(moved(theta) - before), 0.01);
  for (const Entry& entry : theta.entries()) {
    const auto a = entry.value.values<float>(), b = other.at(entry.name).values<float>();
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-4);
  }
}

TEST_F(ReversibleTest, AdamRefusesAChangedMomentOrBuffer) {
  const ReversibleAdam adam(state, theta, {.lr = 0.01});
  ledger.commit(adam.begin());
  for (int step = 0; step < 3; ++step) forward(adam);
  const std::string name = theta.entries()[1].name;
  for (const char* slot : {"m/", "v/", "lost.m/", "lost.v/"}) {
    const Tensor value = state.at(slot + name);
    const Tensor changed = with_element(value.dtype(), [&]<class T>() {
      std::vector<T> values(value.values<T>().begin(), value.values<T>().end());
      if constexpr (std::is_arithmetic_v<T>) values.back() += T{1};
      return Tensor::from<T>(values, value.shape());
    });
    ledger.commit({.proposer = "test", .writes = {{&state, slot + name, changed}}});
    EXPECT_MESSAGE(
        adam.rewind_weights(), Error,
        "reversible: the state or the buffer of theta/" + name + " is not what its last step left");
    ledger.commit({.proposer = "test", .writes = {{&state, slot + name, value}}});
  }
  EXPECT_MESSAGE(ReversibleAdam(state, theta, {.eps = 0}), Error, "reversible: eps is above 0");
  EXPECT_MESSAGE(ReversibleAdam(state, theta, {.beta2 = {0, 1}}), Error,
                 "reversible: the decay of v is a ratio n / d with 0 < n <= d <= 65536, got 0 / 1");
}

TEST_F(ReversibleTest, StaysBesideTheMomentumOfSgd) {
  const Store& other = ledger.open("other", Role::kIdentity);
  const Store& moments = ledger.open("moments", Role::kOptimizer);
  const ReversibleSgd reversible(state, theta, {.lr = 0.05});
  ledger.commit(reversible.begin());
  ledger.commit(copy_of(theta, other));
  const nn::Mlp twin(other, {.sizes = {6, 7, 3}});
  const Sgd sgd(moments, other, {.lr = 0.05, .momentum = 0.9});
  for (std::uint64_t t = 0; t < 30; ++t) {
    forward(reversible);
    const Tensor x = rng.stream("x").stream(t % 8).normal({5, 6}, Dtype::kF32);
    Tape tape;
    nn::Run run(tape);
    const Var y = twin.forward(run, tape.constant(x));
    const Tensor labels = Tensor::from<std::int32_t>(std::vector<std::int32_t>{0, 1, 2, 1, 0}, {5});
    ledger.commit(sgd.propose(backward(cross_entropy(y, labels))));
  }
  for (const Entry& entry : theta.entries()) {
    const auto a = entry.value.values<float>(), b = other.at(entry.name).values<float>();
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
  }
}

TEST_F(ReversibleTest, AChangedBufferWeightOrCounterIsFoundBeforeItIsUsed) {
  const ReversibleSgd sgd(state, theta, {.lr = 0.05});
  ledger.commit(sgd.begin());
  for (int step = 0; step < 212; ++step) forward(sgd);
  const std::string name = theta.entries()[1].name;
  const auto change = [&](const Store& store, const std::string& at) {
    const Tensor value = store.at(at);
    const Tensor changed = with_element(value.dtype(), [&]<class T>() {
      std::vector<T> values(value.values<T>().begin(), value.values<T>().end());
      if constexpr (std::is_arithmetic_v<T>) values.back() += T{1};
      return Tensor::from<T>(values, value.shape());
    });
    ledger.commit({.proposer = "test", .writes = {{&store, at, changed}}});
    return value;
  };
  const std::string message =
      "reversible: the state or the buffer of theta/" + name + " is not what its last step left";
  for (const char* slot : {"lost/", "v/", "w/", "seal/"}) {
    const Tensor before = change(state, slot + name);
    EXPECT_MESSAGE(sgd.rewind_weights(), Error, message);
    EXPECT_MESSAGE(sgd.propose(gradients(sgd.steps())), Error, message);
    ledger.commit({.proposer = "test", .writes = {{&state, slot + name, before}}});
  }
  const Tensor weight = change(theta, name);
  EXPECT_MESSAGE(sgd.rewind_weights(), Error,
                 "reversible: theta/" + name + " is not what the last step left");
  ledger.commit({.proposer = "test", .writes = {{&theta, name, weight}}});
  const Tensor step = change(state, "step");
  EXPECT_THROW(sgd.rewind_weights(), Error);
  ledger.commit({.proposer = "test", .writes = {{&state, "step", step}}});
  back(sgd);
  back(sgd);
  change(state, "lost/0/" + name);  // the word put away with step 210
  ledger.commit(sgd.rewind_weights());
  EXPECT_MESSAGE(sgd.rewind_moments(gradients(209)), Error,
                 "reversible: state/lost/0/" + name + " is not what was put there");
}

TEST_F(ReversibleTest, TakesItsCallsInOrderOnly) {
  const ReversibleSgd sgd(state, theta, {.lr = 0.05});
  EXPECT_MESSAGE(sgd.propose(gradients(0)), Error, "reversible: begin() comes first");
  ledger.commit(sgd.begin());
  EXPECT_MESSAGE(sgd.begin(), Error, "reversible: begin() is for an empty state");
  EXPECT_MESSAGE(sgd.rewind_weights(), Error, "reversible: there is no step to take back");
  forward(sgd);
  EXPECT_MESSAGE(sgd.rewind_moments(gradients(0)), Error,
                 "reversible: rewind_weights comes before rewind_moments");
  ledger.commit(sgd.rewind_weights());
  EXPECT_MESSAGE(sgd.propose(gradients(0)), Error,
                 "reversible: a step back is half done: rewind_moments comes next");
}

TEST_F(ReversibleTest, RefusesWhatIsNotFiniteStaleOrBeyondItsGrid) {
  const ReversibleSgd sgd(state, theta, {.lr = 0.05});
  ledger.commit(sgd.begin());
  const Sha256Digest before = digest();
  const auto scaled = [&](float factor) {
    Tape tape;
    nn::Run run(tape);
    const Var y = model.forward(run, tape.constant(Tensor::full<float>({1, 6}, 1)));
    return backward(scale(sum(y), factor));
  };
  EXPECT_THROW(sgd.propose(scaled(INFINITY)), NonFiniteError);
  EXPECT_THROW(sgd.propose(scaled(NAN)), NonFiniteError);
  EXPECT_THROW(sgd.propose(scaled(1e6F)), Error);
  EXPECT_EQ(digest(), before);
  const Gradients old = gradients(0);
  forward(sgd);
  EXPECT_THROW(sgd.propose(old), StaleReadError);
  EXPECT_MESSAGE(ReversibleSgd(state, theta, {.momentum = {0, 1}}), Error,
                 "reversible: the momentum is a ratio n / d with 0 < n <= d <= 65536, got 0 / 1");
}

}  // namespace
}  // namespace palinode::optim
