#include "tensor/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <limits>

#include "tensor/error.h"
#include "tests/support/bits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace palinode {
namespace {

// Restores the thread's floating-point modes.
class KeepModes {
 public:
  KeepModes() { std::fegetenv(&before_); }
  ~KeepModes() { std::fesetenv(&before_); }
  KeepModes(const KeepModes&) = delete;
  KeepModes& operator=(const KeepModes&) = delete;

 private:
  std::fenv_t before_{};
};

TEST(Simd, StartsWithTheBestAvailableTarget) { EXPECT_EQ(active_simd(), available_simd().front()); }

TEST(Simd, RunsTheTargetThatWasChosen) {
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    EXPECT_EQ(active_simd(), simd);
  }
  use_simd(available_simd().front());
}

TEST(Simd, AskingWhatIsAvailableKeepsTheChoice) {
  use_simd(available_simd().back());
  EXPECT_FALSE(available_simd().empty());
  EXPECT_EQ(active_simd(), available_simd().back());
  use_simd(available_simd().front());
}

TEST(Simd, RefusesATargetOfAnotherProcessor) {
  const auto available = available_simd();
  for (const Simd simd : {Simd::kNeon, Simd::kAvx2}) {
    if (std::find(available.begin(), available.end(), simd) != available.end()) continue;
    EXPECT_THROW(use_simd(simd), EnvironmentError) << simd_name(simd);
  }
}

TEST(Simd, TargetsHaveNames) {
  EXPECT_EQ(simd_name(Simd::kScalar), "scalar");
  EXPECT_EQ(simd_name(Simd::kSse4), "sse4");
  EXPECT_EQ(simd_name(Simd::kAvx2), "avx2");
  EXPECT_EQ(simd_name(Simd::kAvx3), "avx3");
  EXPECT_EQ(simd_name(Simd::kNeon), "neon");
}

TEST(FloatingPoint, TheDefaultModesPass) { EXPECT_NO_THROW(check_floating_point()); }

TEST(FloatingPoint, AnotherRoundingIsRefused) {
  const KeepModes keep;
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    EXPECT_THROW(check_floating_point(), EnvironmentError);
  }
}

#if defined(__x86_64__)
TEST(FloatingPoint, FlushedResultsAreRefused) {
  const KeepModes keep;
  _mm_setcsr(_mm_getcsr() | 0x8000);
  EXPECT_THROW(check_floating_point(), EnvironmentError);
}

TEST(FloatingPoint, FlushedOperandsAreRefused) {
  const KeepModes keep;
  _mm_setcsr(_mm_getcsr() | 0x0040);
  EXPECT_THROW(check_floating_point(), EnvironmentError);
}
#endif

TEST(SameBits, TellsTheZerosApart) {
  const float plus[] = {0.0f};
  const float minus[] = {-0.0f};
  EXPECT_FALSE(same_bits(plus, minus));
}

TEST(SameBits, NamesTheFirstPlaceThatDiffers) {
  const float a[] = {1.0f, 2.0f, 3.0f};
  const float b[] = {1.0f, 2.0f, 0x1.800002p1f};
  EXPECT_STREQ(same_bits(a, b).message(),
               "index 2 of 3: 40400000 (3) against 40400001 (3.0000002), 1 ulp apart");
}

TEST(SameBits, TakesNansAsEqual) {
  const double a[] = {std::numeric_limits<double>::quiet_NaN()};
  const double b[] = {-std::numeric_limits<double>::quiet_NaN()};
  EXPECT_SAME_BITS(a, b);
}

}  // namespace
}  // namespace palinode
