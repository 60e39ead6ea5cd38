// The one pass of a commit: the values, digests and statistics of separate passes, bit for bit.
#include "tensor/write_pass.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <vector>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/update.h"
#include "tensor/ledger.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace palinode {
namespace {

using Sizes = std::initializer_list<std::size_t>;
constexpr WritePass kAll{.change = true, .digest = true};

template <class T>
Tensor random(std::size_t n, std::uint64_t seed) {
  return Tensor::from<T>(oracle::random_values<T>(n, seed), {n});
}

template <class T>
void expect_written(const Written& got, const Tensor& old, std::span<const T> want) {
  EXPECT_SAME_BITS(got.value.values<T>(), want);
  kernels::ChangeSum<T> sum;
  sum.add(old.values<T>(), want);
  const kernels::Change change = sum.total(old.values<T>(), want);
  EXPECT_EQ(got.change.elements_changed, change.elements_changed);
  EXPECT_EQ(got.change.max_abs, change.max_abs);
  EXPECT_EQ(got.change.l2, change.l2);
  EXPECT_EQ(got.digest, xxh3(Tensor::from<T>(want, {want.size()})));
  EXPECT_TRUE(got.finite);
}

template <class T>
class WritePassOf : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(WritePassOf, Types);

TYPED_TEST(WritePassOf, ACopyHasTheValuesDigestAndChangeOfSeparatePasses) {
  using T = TypeParam;
  for (const std::size_t n : Sizes{0, 1, 63, 1023, 1024, 1025, 4097, 10007, 70001}) {
    const Tensor old = random<T>(n, 1), value = random<T>(n, 2);
    expect_written<T>(copy_value(&old, value, kAll), old, value.values<T>());
    expect_written<T>(copy_value(nullptr, value, kAll), Tensor::zeros({n}, dtype_of<T>()),
                      value.values<T>());
  }
}

// Around the ends of the stripes and blocks of XXH3's long rule, and below it.
TYPED_TEST(WritePassOf, TheDigestIsTheLibrarysOnEveryTarget) {
  using T = TypeParam;
  for (const std::size_t n : Sizes{30,  60,  61,  64,  65,   127,  128,  129,  255,  256,  257,
                                   272, 511, 512, 513, 1024, 1040, 4095, 4096, 4097, 8192, 20000}) {
    const Tensor old = random<T>(n, 1), value = random<T>(n, 2);
    const Xxh3Digest want = xxh3(value);
    for_each_simd([&] { EXPECT_EQ(copy_value(&old, value, kAll).digest, want) << n; });
  }
}

TYPED_TEST(WritePassOf, ThreadsDoNotChangeAStep) {
  using T = TypeParam;
  const std::size_t before = threads();
  for (const std::size_t n : Sizes{16385, 65536, 100003}) {
    const Tensor g = random<T>(n, 1), w = random<T>(n, 2), m = random<T>(n, 3);
    const Step step{.gradient = g, .rule = SgdRule{.lr = 0.1, .momentum = 0.9}};
    set_threads(1);
    const auto alone = take_step(step, w, std::array{m}, kAll);
    for (const std::size_t used : Sizes{2, 3, 7}) {
      set_threads(used);
      const auto shared = take_step(step, w, std::array{m}, kAll);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        expect_written<T>(shared[i], i == 0 ? w : m, alone[i].value.values<T>());
        EXPECT_EQ(shared[i].digest, alone[i].digest);
        EXPECT_EQ(shared[i].change.l2, alone[i].change.l2);
      }
    }
  }
  set_threads(before);
}

TYPED_TEST(WritePassOf, AStepHasTheBitsOfTheKernelsOverWholeArrays) {
  using T = TypeParam;
  for (const std::size_t n : Sizes{0, 1, 65, 1024, 5003, 16384, 16385, 50001}) {
    const Tensor w = random<T>(n, 1), g = random<T>(n, 2), m = random<T>(n, 3);
    std::vector<T> positive = oracle::random_values<T>(n, 4);
    for (T& x : positive) x = std::abs(x);
    const Tensor v = Tensor::from<T>(positive, {n});
    std::vector<T> w_out(n), m_out(n), v_out(n);

    const AdamRule adam{
        .beta1 = 0.9, .beta2 = 0.99, .a = 0.1, .r = 0.7, .eps = 1e-8, .decay = 0.01};
    kernels::adam<T>({T(0.9), T(1 - 0.9), T(0.99), T(1 - 0.99), T(0.1), T(0.7), T(1e-8), T(0.01)},
                     g.values<T>(), w.values<T>(), m.values<T>(), v.values<T>(), w_out, m_out,
                     v_out);
    const auto adam_got = take_step({.gradient = g, .rule = adam}, w, std::array{m, v}, kAll);
    expect_written<T>(adam_got[0], w, w_out);
    expect_written<T>(adam_got[1], m, m_out);
    expect_written<T>(adam_got[2], v, v_out);

    kernels::sgd_momentum<T>({T(0.1), T(0.9), T(0.01)}, g.values<T>(), w.values<T>(), m.values<T>(),
                             w_out, m_out);
    const auto momentum_got = take_step(
        {.gradient = g, .rule = SgdRule{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}}, w,
        std::array{m}, kAll);
    expect_written<T>(momentum_got[0], w, w_out);
    expect_written<T>(momentum_got[1], m, m_out);

    kernels::sgd<T>({T(0.1), T(0), T(0)}, g.values<T>(), w.values<T>(), w_out);
    const auto sgd_got = take_step({.gradient = g, .rule = SgdRule{.lr = 0.1}}, w, {}, kAll);
    expect_written<T>(sgd_got[0], w, w_out);
  }
}

TYPED_TEST(WritePassOf, AStepOfRmsPropHasTheChangeOfEveryMoment) {
  using T = TypeParam;
  for (const bool centered : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      const RmsPropRule rule{.lr = 0.1,
                             .alpha = 0.9,
                             .eps = 1e-8,
                             .momentum = momentum,
                             .weight_decay = 0.01,
                             .centered = centered};
      for (const std::size_t n : Sizes{1, 65, 1100, 5003}) {
        const Tensor w = random<T>(n, 1), g = random<T>(n, 2);
        const std::size_t moments = moments_of(rule);
        std::vector<Tensor> old;
        for (std::size_t k = 0; k < moments; ++k) old.push_back(Tensor::full<T>({n}, T(k + 1)));
        for_each_simd([&] {
          const auto got = take_step({.gradient = g, .rule = rule}, w, old, kAll);
          for (std::size_t k = 0; k <= moments; ++k) {
            expect_written<T>(got[k], k == 0 ? w : old[k - 1], got[k].value.template values<T>());
          }
        });
      }
    }
  }
}

// With eps = 0 a rule makes NaNs of the zeros beyond the end of an array.
TYPED_TEST(WritePassOf, LanesBeyondTheEndCountForNothing) {
  using T = TypeParam;
  const Rule rule = AdamRule{.beta1 = 0.9, .beta2 = 0.99, .a = 0.1, .r = 0.7, .eps = 0};
  for_each_simd([&] {
    for (std::size_t n = 1; n < 140; ++n) {
      const Tensor w = random<T>(n, 1), g = random<T>(n, 2), ones = Tensor::full<T>({n}, T{1});
      const std::array old = {w, ones, ones};
      const auto got = take_step({.gradient = g, .rule = rule}, w, std::array{ones, ones}, kAll);
      for (std::size_t k = 0; k < old.size(); ++k) {
        expect_written<T>(got[k], old[k], got[k].value.template values<T>());
      }
    }
  });
}

TYPED_TEST(WritePassOf, WhoAsksOnlyForFiniteValuesGetsNeitherChangeNorDigest) {
  using T = TypeParam;
  const Tensor w = random<T>(20000, 1), g = random<T>(20000, 2);
  const Step step{.gradient = g, .rule = SgdRule{.lr = 0.1, .momentum = 0.9}};
  for (const Written& got : take_step(step, w, std::array{w}, {.finite = true})) {
    EXPECT_TRUE(got.finite);
    EXPECT_FALSE(got.digest.has_value());
    EXPECT_EQ(got.change.elements_changed, 0u);
    EXPECT_EQ(got.change.l2, 0);
  }
}

TYPED_TEST(WritePassOf, NotWantedIsNotComputed) {
  using T = TypeParam;
  const Tensor old = random<T>(100, 1), value = random<T>(100, 2);
  const Written got = copy_value(&old, value, {});
  EXPECT_SAME_BITS(got.value.values<T>(), value.values<T>());
  EXPECT_FALSE(got.digest.has_value());
  EXPECT_EQ(got.change.elements_changed, 0u);
  EXPECT_SAME_BITS(copy_value(nullptr, value, {}).value.values<T>(), value.values<T>());
}

TYPED_TEST(WritePassOf, ANanAnywhereIsSeenAndDigestedCanonically) {
  using T = TypeParam;
  for (const std::size_t place : Sizes{0, 1030, 2999}) {
    auto values = oracle::random_values<T>(3000, 1);
    values[place] = -std::numeric_limits<T>::quiet_NaN();
    const Tensor value = Tensor::from<T>(values, {values.size()});
    const Written got = copy_value(nullptr, value, kAll);
    EXPECT_FALSE(got.finite);
    EXPECT_EQ(got.digest, xxh3(value));
    values[place] = std::numeric_limits<T>::quiet_NaN();
    EXPECT_EQ(got.digest, xxh3(Tensor::from<T>(values, {values.size()})));
  }
}

// Whose sign and payload a NaN has, and whether inf - inf is -NaN, is the processor's choice.
TEST(WritePass, ARecordOfNansIsTheSameOnEveryTarget) {
  std::vector<Sha256Digest> heads;
  for_each_simd([&] {
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const auto commit = [&](std::uint64_t seed, bool create) {
      auto values = oracle::hostile_values<float>(5003, seed, true);
      for (std::size_t i = 0; i < values.size(); i += 7) values[i] = i % 2 == 0 ? -NAN : NAN;
      const Tensor value = Tensor::from<float>(values, {values.size()});
      ledger.commit({.proposer = "test", .writes = {{&theta, "w", value, create}}});
    };
    commit(1, true);
    commit(2, false);
    const float infinity = std::numeric_limits<float>::infinity();
    for (const bool create : {true, false}) {
      ledger.commit({.proposer = "test",
                     .writes = {{&theta, "inf", Tensor::full<float>({3}, infinity), create}}});
    }
    heads.push_back(ledger.head());
  });
  for (const Sha256Digest& head : heads) EXPECT_EQ(head, heads.front());
}

TEST(WritePass, ThreadsDoNotChangeARecord) {
  const std::size_t before = threads();
  std::vector<Sha256Digest> heads;
  for (const std::size_t count : Sizes{1, 2, 3, 7}) {
    set_threads(count);
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const Store& state = ledger.open("state", Role::kOptimizer);
    Proposal init{.proposer = "test"};
    std::uint64_t draw = 0;
    for (const char* name : {"a", "b", "c", "d"}) {
      init.writes.push_back({&theta, name, random<float>(20011, draw++), true});
    }
    ledger.commit(init);
    Proposal steps{.reason = Reason::kSgd, .proposer = "test"};
    for (std::size_t i = 0; i < 4; ++i) {
      steps.steps.push_back({&theta,
                             i,
                             random<float>(20011, 9 + i),
                             &state,
                             {std::string("v/") + "abcd"[i]},
                             SgdRule{.lr = 0.1, .momentum = 0.9}});
    }
    ledger.commit(steps);
    ledger.commit(steps);
    heads.push_back(ledger.head());
  }
  set_threads(before);
  for (const Sha256Digest& head : heads) EXPECT_EQ(head, heads.front());
}

#if defined(__x86_64__)
TEST(Door, RefusesAThreadThatFlushesSubnormalsOrRoundsAnotherWay) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Proposal write{.proposer = "test", .writes = {{&theta, "w", random<float>(3, 1), true}}};
  const unsigned before = _mm_getcsr();
  for (const unsigned mode : {0x8000U, 0x0040U, 0x2000U, 0x4000U, 0x6000U}) {
    _mm_setcsr(before | mode);
    EXPECT_THROW(ledger.commit(write), EnvironmentError) << mode;
    _mm_setcsr(before);
  }
  EXPECT_TRUE(theta.entries().empty());
  ledger.commit(write);
}
#endif

}  // namespace
}  // namespace palinode
