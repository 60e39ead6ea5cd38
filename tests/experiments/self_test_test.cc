// The studies' instruments are tried before they are believed, and a fault in any is named.
#include "experiments/studies/self_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace palinode::experiments {
namespace {

using rbl::Divergence;

TEST(SelfTest, FindsNothingWrongWithTheInstrumentsInUse) { EXPECT_EQ(instrument_fault(), ""); }

TEST(SelfTest, CatchesADivergenceTakenTheWrongWayRound) {
  Instruments bent;
  bent.kl = [](const Tensor& p, const Tensor& q) { return rbl::kl_divergence(q, p); };
  EXPECT_EQ(instrument_fault(bent), "KL is taken the wrong way round");
}

TEST(SelfTest, CatchesAWrongSign) {
  Instruments bent;
  bent.kl = [](const Tensor& p, const Tensor& q) {
    Divergence kl = rbl::kl_divergence(p, q);
    kl.mean = -kl.mean;
    return kl;
  };
  EXPECT_EQ(instrument_fault(bent), "KL has the wrong sign");
}

TEST(SelfTest, CatchesAnotherBaseOfTheLogarithm) {
  Instruments bent;
  bent.kl = [](const Tensor& p, const Tensor& q) {
    Divergence kl = rbl::kl_divergence(p, q);
    kl.mean = kl.mean / rbl::kLn2;  // bits
    return kl;
  };
  EXPECT_NE(instrument_fault(bent), "");
  bent = {};
  bent.js = [](const Tensor& p, const Tensor& q) {
    Divergence js = rbl::js_divergence(p, q);
    js.mean = js.mean / rbl::kLn2;
    return js;
  };
  EXPECT_NE(instrument_fault(bent).find("ln 2"), std::string::npos);
}

TEST(SelfTest, CatchesADivergenceOfMeansInPlaceOfAMeanOfDivergences) {
  Instruments bent;
  bent.kl = [](const Tensor& p, const Tensor& q) {
    const auto mean = [](const Tensor& log_p) {
      const std::span<const double> l = log_p.values<double>();
      std::vector<double> sums(2);
      for (std::size_t i = 0; i < l.size(); ++i) sums[i % 2] += std::exp(l[i]);
      const double rows = static_cast<double>(l.size()) / 2;
      for (double& x : sums) x = std::log(x / rows);
      return Tensor::from<double>(sums, {1, 2});
    };
    return rbl::kl_divergence(mean(p), mean(q));
  };
  EXPECT_NE(instrument_fault(bent).find("mean"), std::string::npos);
}

TEST(SelfTest, CatchesSeedsThatAreUsedTwice) {
  Instruments bent;
  bent.normal = [](std::uint64_t, const char* purpose, std::uint64_t index) {
    return Rng(1337).stream(purpose).normal(index);
  };
  EXPECT_EQ(instrument_fault(bent), "two seeds share their draws");
  bent.normal = [](std::uint64_t seed, const char*, std::uint64_t index) {
    return Rng(seed).stream("one for all").normal(index);
  };
  EXPECT_EQ(instrument_fault(bent), "two purposes of a seed share their draws");
}

TEST(SelfTest, CatchesAFactorThatIsClampedOrHasADefault) {
  Instruments bent;
  bent.rf = [](double adapt, double rec) {
    rbl::Recoverability rf = rbl::recoverability(adapt, rec);
    rf.value = std::clamp(rf.value, 0.0, 1.0);
    return rf;
  };
  EXPECT_NE(instrument_fault(bent), "");
  bent.rf = [](double adapt, double rec) {
    if (adapt == 0) return rbl::Recoverability{rbl::Recoverability::State::kValue, 1};
    return rbl::recoverability(adapt, rec);
  };
  EXPECT_EQ(instrument_fault(bent), "RF has a value where nothing was lost");
}

}  // namespace
}  // namespace palinode::experiments
