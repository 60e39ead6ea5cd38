// E16: thousands of random operations of a life cycle, allowed and not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "autograd/ops.h"
#include "experiments/studies/life_cycle_fuzz.h"
#include "nn/mlp.h"
#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const nn::MlpConfig kConfig = {.sizes = {4, 5, 3}};

FuzzSubject small(const Rng& rng) {
  return {.build = [](const Store& theta) { return std::make_unique<nn::Mlp>(theta, kConfig); },
          .fill = [rng](const nn::Network& network,
                        const Store&) { return network.init(rng.stream("init")); },
          .inputs = rng.stream("x").normal({3, 4}, Dtype::kF32)};
}

TEST(LifeCycleFuzz, NoOperationReachesTheIdentityOrLiesAboutWhatIsActive) {
  constexpr std::size_t kOperations = 500;
  const bool exhaustive = std::getenv("PALINODE_EXHAUSTIVE") != nullptr;
  const std::uint64_t lives = exhaustive ? 200 : 20;
  FuzzResult all;
  for (std::uint64_t seed = 1; seed <= lives && all.violated() == 0; ++seed) {
    const Rng rng = Rng(seed).stream("life");
    all += fuzz_life_cycle(small(rng), rng, kOperations);
    EXPECT_EQ(all.first, "") << "seed " << seed;
  }
  EXPECT_EQ(all.violated(), 0U);
  EXPECT_GT(all.allowed, lives * kOperations / 4);
  EXPECT_GT(all.refused, lives * kOperations / 8);
  EXPECT_GT(all.crashes, lives * 10);
  EXPECT_GT(all.power_cuts, 0U);
}

// An identity that is another after some passes, as one with a hidden state would be.
class Forgetful : public nn::Mlp {
 public:
  using Mlp::Mlp;
  Var forward(nn::Run& run, Var x) const override {
    const Var y = Mlp::forward(run, x);
    return ++*passes_ > 200 ? scale(y, 1 + 0x1p-20) : y;
  }

 private:
  std::shared_ptr<int> passes_ = std::make_shared<int>(0);
};

TEST(LifeCycleFuzz, AnIdentityThatChangesIsSeen) {
  const Rng rng = Rng(1).stream("life");
  FuzzSubject subject = small(rng);
  subject.build = [](const Store& theta) { return std::make_unique<Forgetful>(theta, kConfig); };
  const FuzzResult result = fuzz_life_cycle(subject, rng, 60);
  EXPECT_GT(result.violations.at("identity"), 0U);
  EXPECT_NE(result.first.find("identity"), std::string::npos) << result.first;
}

TEST(E16, NothingIsViolatedOverTheIdentityOfTheStudies) {
  const Outcome outcome = small_run("E16", {"operations=150", "life=100"});
  EXPECT_EQ(value_at(outcome, "all", "operations", 0), 150);
  EXPECT_GT(value_at(outcome, "all", "allowed", 0), 30);
  EXPECT_EQ(value_at(outcome, "identity", "violations", 0), 0);
  EXPECT_EQ(find_study("E16").fault(outcome.rows, outcome.points), "");
}

TEST(E16, AViolationIsAFault) {
  Outcome outcome = small_run("E16", {"operations=5"});
  for (Point& point : outcome.points) {
    if (point.series == "effect") point.value = 2;
  }
  EXPECT_EQ(find_study("E16").fault({}, outcome.points), "E16 seed 1: 2 violations of effect");
}

}  // namespace
}  // namespace palinode::experiments
