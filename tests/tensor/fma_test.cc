// The fma of every SIMD target against std::fma.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "tensor/kernels/math.h"
#include "tensor/simd.h"

namespace palinode::kernels {
namespace {

template <class T>
struct Triples {
  std::vector<T> a, b, c;

  void add(T x, T y, T z) {
    a.push_back(x);
    b.push_back(y);
    c.push_back(z);
  }
};

template <class T>
bool same_bits(T x, T y) {
  return (x != x && y != y) || (x == y && std::signbit(x) == std::signbit(y));
}

// A number of any size with few nonzero bits, which makes ties of the sum likely.
template <class T>
T short_number(std::mt19937_64& random, int low, int high) {
  const auto digits = static_cast<T>(static_cast<std::int64_t>(random() % 8192) - 4096);
  std::uniform_int_distribution<int> exponent(low, high);
  return std::ldexp(digits, exponent(random));
}

template <class T>
void add_special_values(Triples<T>& triples) {
  using Limits = std::numeric_limits<T>;
  const T values[] = {T{0},
                      T{1},
                      T{2},
                      T{3},
                      Limits::denorm_min(),
                      Limits::min(),
                      Limits::min() - Limits::denorm_min(),
                      Limits::epsilon(),
                      1 + Limits::epsilon(),
                      1 - Limits::epsilon() / 2,
                      std::sqrt(Limits::max()),
                      std::sqrt(Limits::min()),
                      Limits::max() / 2,
                      Limits::max(),
                      Limits::infinity(),
                      Limits::quiet_NaN()};
  for (const T a : values) {
    for (const T b : values) {
      for (const T c : values) {
        for (const T sign : {T{1}, T{-1}}) triples.add(a, b, sign * c);
        triples.add(-a, b, c);
      }
    }
  }
}

// Triples over the whole range: any bits, sums close to a tie, cancellation, subnormal results.
template <class T>
Triples<T> directed_triples(std::size_t count) {
  using Limits = std::numeric_limits<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr int kDigits = Limits::digits;
  constexpr int kMin = Limits::min_exponent;
  Triples<T> triples;
  add_special_values(triples);
  std::mt19937_64 random(3);
  const auto any = [&] { return std::bit_cast<T>(static_cast<Bits>(random())); };
  const auto near_one = [&] { return 1 + static_cast<T>(random() % 64) * Limits::epsilon(); };
  for (std::size_t i = 0; i < count; ++i) {
    triples.add(any(), any(), any());
    triples.add(near_one(), near_one(), -near_one());
    triples.add(near_one(), std::ldexp(near_one(), -kDigits), near_one());
    triples.add(short_number<T>(random, -40, 40), short_number<T>(random, -40, 40),
                short_number<T>(random, -40, 40));
    const T a = short_number<T>(random, kMin / 2 - kDigits, kMin / 2 + 8);
    const T b = short_number<T>(random, kMin / 2 - kDigits, kMin / 2 + 8);
    triples.add(a, b, short_number<T>(random, kMin - kDigits, kMin + 4));
    triples.add(a, near_one(), -a);
    triples.add(short_number<T>(random, Limits::max_exponent / 2 - 14, Limits::max_exponent / 2),
                short_number<T>(random, Limits::max_exponent / 2 - 14, Limits::max_exponent / 2),
                short_number<T>(random, Limits::max_exponent - 40, Limits::max_exponent - 12));
  }
  return triples;
}

template <class T>
std::size_t count_wrong(const Triples<T>& triples, const std::vector<T>& results) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!same_bits(results[i], std::fma(triples.a[i], triples.b[i], triples.c[i]))) ++wrong;
  }
  return wrong;
}

template <class T>
void expect_one_rounding_on_every_target() {
  const auto triples = directed_triples<T>(200000);
  std::vector<T> results(triples.a.size());
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    fma(triples.a, triples.b, triples.c, results);
    EXPECT_EQ(count_wrong(triples, results), 0u) << simd_name(simd);
  }
  use_simd(available_simd().front());
}

template <class T>
std::vector<T> rounded_twice(const Triples<T>& triples) {
  std::vector<T> results;
  for (std::size_t i = 0; i < triples.a.size(); ++i) {
    const T product = triples.a[i] * triples.b[i];
    results.push_back(product + triples.c[i]);
  }
  return results;
}

TEST(Fma, RoundsOnceInF32OnEveryTarget) { expect_one_rounding_on_every_target<float>(); }

TEST(Fma, RoundsOnceInF64OnEveryTarget) { expect_one_rounding_on_every_target<double>(); }

TEST(Fma, TheTriplesTellItFromTwoRoundingsInF32) {
  const auto triples = directed_triples<float>(1000);
  EXPECT_GT(count_wrong(triples, rounded_twice(triples)), 100u);
}

TEST(Fma, TheTriplesTellItFromTwoRoundingsInF64) {
  const auto triples = directed_triples<double>(1000);
  EXPECT_GT(count_wrong(triples, rounded_twice(triples)), 100u);
}

TEST(Fma, TheTriplesTellItFromASumInF64RoundedToF32) {
  const auto triples = directed_triples<float>(20000);
  std::vector<float> results;
  for (std::size_t i = 0; i < triples.a.size(); ++i) {
    const double product = static_cast<double>(triples.a[i]) * static_cast<double>(triples.b[i]);
    results.push_back(static_cast<float>(product + static_cast<double>(triples.c[i])));
  }
  EXPECT_GT(count_wrong(triples, results), 10u);
}

TEST(Fma, WorksInPlaceForEveryLength) {
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    for (std::size_t length = 0; length <= 40; ++length) {
      std::vector<float> x(length, 3.0f);
      fma(x, x, x, x);
      EXPECT_EQ(x, std::vector<float>(length, 12.0f));
    }
  }
  use_simd(available_simd().front());
}

}  // namespace
}  // namespace palinode::kernels
