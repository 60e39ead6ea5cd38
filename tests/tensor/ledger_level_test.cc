// What the level of a ledger does not change: what is refused, in which words, and every bit.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"

namespace palinode {
namespace {

constexpr std::array kLevels = {Ledger::Level::kOff, Ledger::Level::kSummary,
                                Ledger::Level::kDigest, Ledger::Level::kJournal};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLarge = 1e30F;  // its square is infinite

const Rule kSgd = SgdRule{.lr = 0.1};
const Rule kMomentum = SgdRule{.lr = 0.1, .momentum = 0.9};
const Rule kAdam = AdamRule{.beta1 = 0.9, .beta2 = 0.99, .a = 0.1, .r = 0.7, .eps = 0};
const Rule kRmsProp = RmsPropRule{.lr = 0.1, .alpha = 0.9, .eps = 0};
const Rule kAllOfRmsProp =
    RmsPropRule{.lr = 0.1, .alpha = 0.9, .eps = 1e-3, .momentum = 0.9, .centered = true};

// A weight of n ones and the moments 1, 2, ... of its rule, under a ledger.
class Trained {
 public:
  Trained(Ledger::Level level, Rule rule, std::size_t n) : ledger_(level), rule_(rule), n_(n) {
    Proposal proposal{.proposer = "test"};
    proposal.writes.push_back({&theta_, "w", Tensor::full<float>({n}, 1), true});
    for (std::size_t k = 1; k <= moments().size(); ++k) {
      const Tensor value = Tensor::full<float>({n}, static_cast<float>(k));
      proposal.writes.push_back({&state_, moments()[k - 1], value, true});
    }
    ledger_.commit(proposal);
  }

  // Puts `value` in one place of an array that is there, as nobody who asks for finite values
  // could.
  void plant(const Store& store, std::string_view name, std::size_t place, float value) {
    std::vector<float> values(n_, 1);
    values[place] = value;
    ledger_.commit({.proposer = "test",
                    .writes = {{&store, PoolString(name), Tensor::from<float>(values, {n_})}}});
  }

  void step(std::span<const float> gradient) {
    Step step{.store = &theta_, .gradient = Tensor::from<float>(gradient, {n_}), .rule = rule_};
    step.state = &state_;
    for (const std::string& name : moments()) step.moments.push_back(PoolString(name));
    ledger_.commit({.proposer = "test", .step = 7, .finite_only = true, .steps = {step}});
  }

  std::string refusal(std::span<const float> gradient) {
    try {
      step(gradient);
    } catch (const NonFiniteError& error) {
      return error.what();
    }
    return "";
  }

  const Store& theta() const { return theta_; }
  const Store& state() const { return state_; }

 private:
  std::vector<std::string> moments() const {
    std::vector<std::string> names;
    if (const auto* sgd = std::get_if<SgdRule>(&rule_); sgd != nullptr && sgd->momentum != 0) {
      names = {"v"};
    } else if (std::holds_alternative<AdamRule>(rule_)) {
      names = {"m", "v"};
    } else if (const auto* rmsprop = std::get_if<RmsPropRule>(&rule_)) {
      names = {"s"};
      if (rmsprop->centered) names.push_back("m");
      if (rmsprop->momentum != 0) names.push_back("v");
    }
    return names;
  }

  Ledger ledger_;
  Rule rule_;
  std::size_t n_;
  const Store& theta_ = ledger_.open("theta", Role::kIdentity);
  const Store& state_ = ledger_.open("state", Role::kOptimizer);
};

// Around the ends of vectors, of pieces of 2048 and of the parts that threads share out.
constexpr std::size_t kElements = 40007;
constexpr std::initializer_list<std::size_t> kPlaces = {0, 15, 63, 2047, 2048, 16384, 40000, 40006};

void expect_refused(const Rule& rule, std::size_t n, std::size_t place, float gradient,
                    std::string_view message) {
  std::vector<float> g(n, 0.5F);
  g[place] = gradient;
  for (const Ledger::Level level : kLevels) {
    Trained trained(level, rule, n);
    const Sha256Digest theta = fingerprint(trained.theta()), state = fingerprint(trained.state());
    EXPECT_EQ(trained.refusal(g), message) << level_name(level) << ", element " << place;
    EXPECT_EQ(fingerprint(trained.theta()), theta);
    EXPECT_EQ(fingerprint(trained.state()), state);
  }
}

TEST(LedgerLevel, OffRefusesAMomentThatOverflowsBesideAFiniteWeight) {
  const std::size_t before = threads();
  for (const std::size_t used : {1U, 3U}) {
    set_threads(used);
    for (const std::size_t place : kPlaces) {
      expect_refused(kAdam, kElements, place, kLarge,
                     "commit: state/v would hold a NaN or an infinity; proposed by test, step 7");
    }
    expect_refused(kRmsProp, kElements, 16385, kLarge,
                   "commit: state/s would hold a NaN or an infinity; proposed by test, step 7");
  }
  set_threads(before);
}

TEST(LedgerLevel, OffNamesTheFirstValueThatWouldNotBeFinite) {
  struct Planted {
    Rule rule;
    const char* store;
    const char* name;
    const char* refused;  // the weight goes first
  };
  const std::vector<Planted> all = {
      {kSgd, "theta", "w", "theta/w"},         {kMomentum, "theta", "w", "theta/w"},
      {kMomentum, "state", "v", "theta/w"},    {kAdam, "theta", "w", "theta/w"},
      {kAdam, "state", "m", "theta/w"},        {kAdam, "state", "v", "state/v"},
      {kRmsProp, "state", "s", "state/s"},     {kAllOfRmsProp, "theta", "w", "theta/w"},
      {kAllOfRmsProp, "state", "v", "theta/w"}};
  const std::vector<float> g(2100, 0.5F);
  for_each_simd([&] {
    for (const Planted& each : all) {
      for (const std::size_t place : {0U, 2047U, 2048U, 2099U}) {
        for (const Ledger::Level level : kLevels) {
          Trained trained(level, each.rule, g.size());
          trained.plant(std::string_view(each.store) == "theta" ? trained.theta() : trained.state(),
                        each.name, place, kInfinity);
          EXPECT_EQ(trained.refusal(g), "commit: " + std::string(each.refused) +
                                            " would hold a NaN or an infinity; proposed by test, "
                                            "step 7")
              << level_name(level) << ", " << each.store << "/" << each.name << ", " << place;
        }
      }
    }
  });
}

TEST(LedgerLevel, OffNamesTheGradientThatIsNotFinite) {
  for (const float bad : {kNan, -kInfinity}) {
    expect_refused(kMomentum, kElements, 20000, bad,
                   "commit: the gradient of theta/w f32 [40007] is not finite, first at element "
                   "20000; proposed by test, step 7");
  }
}

// With eps = 0 a rule makes NaNs of the zeros beyond the end of an array.
TEST(LedgerLevel, OffTakesFiniteStepsOfEveryLength) {
  for_each_simd([&] {
    for (std::size_t n = 1; n < 70; ++n) {
      for (const Rule& rule : {kSgd, kMomentum, kAdam, kRmsProp, kAllOfRmsProp}) {
        Trained trained(Ledger::Level::kOff, rule, n);
        EXPECT_EQ(trained.refusal(std::vector<float>(n, 0.5F)), "") << n;
      }
    }
  });
}

TEST(LedgerLevel, EveryLevelHasTheSameBits) {
  const std::vector<float> g = oracle::random_values<float>(kElements, 1);
  for (const Rule& rule : {kSgd, kMomentum, kAdam, kRmsProp, kAllOfRmsProp}) {
    Trained off(Ledger::Level::kOff, rule, kElements);
    for (int i = 0; i < 3; ++i) off.step(g);
    for (const Ledger::Level level : kLevels) {
      Trained other(level, rule, kElements);
      for (int i = 0; i < 3; ++i) other.step(g);
      EXPECT_SAME_BITS(other.theta().at("w").values<float>(), off.theta().at("w").values<float>());
      EXPECT_EQ(fingerprint(other.state()), fingerprint(off.state()));
    }
  }
}

TEST(LedgerLevel, OffRefusesAWriteThatIsNotFiniteWhateverItsType) {
  for (const Ledger::Level level : kLevels) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF64, Dtype::kBf16, Dtype::kF16}) {
      Ledger ledger(level);
      const Store& theta = ledger.open("theta", Role::kIdentity);
      const Tensor bad = Tensor::from<float>(std::vector<float>{1, 2, kInfinity}, {3}).to(dtype);
      Proposal proposal{
          .proposer = "test", .finite_only = true, .writes = {{&theta, "w", bad, true}}};
      EXPECT_MESSAGE(ledger.commit(proposal), NonFiniteError,
                     "commit: theta/w would hold a NaN or an infinity; proposed by test, step 0");
      proposal.finite_only = false;
      EXPECT_NO_THROW(ledger.commit(proposal));
    }
  }
}

}  // namespace
}  // namespace palinode
