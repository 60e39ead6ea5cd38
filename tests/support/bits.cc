#include "tests/support/bits.h"

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <string>
#include <type_traits>

#include "tensor/simd.h"

namespace palinode {
namespace {

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// The number of T between a and b, counting from the most negative to the most positive.
template <class T>
std::uint64_t ulp_distance(T a, T b) {
  using Bits = BitsOf<T>;
  constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
  const auto rank = [](T x) {
    const Bits bits = std::bit_cast<Bits>(x);
    return (bits & kSign) != 0 ? static_cast<Bits>(Bits{0} - bits)
                               : static_cast<Bits>(bits + kSign);
  };
  return rank(a) > rank(b) ? rank(a) - rank(b) : rank(b) - rank(a);
}

template <class T>
testing::AssertionResult compare(std::span<const T> a, std::span<const T> b) {
  if (a.size() != b.size()) {
    return testing::AssertionFailure() << a.size() << " values against " << b.size();
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] && b[i] != b[i]) continue;
    const auto left = std::bit_cast<BitsOf<T>>(a[i]);
    const auto right = std::bit_cast<BitsOf<T>>(b[i]);
    if (left == right) continue;
    const bool has_nan = a[i] != a[i] || b[i] != b[i];
    return testing::AssertionFailure()
           << fmt::format("index {} of {}: {:0{}x} ({}) against {:0{}x} ({}), {}", i, a.size(),
                          left, 2 * sizeof(T), a[i], right, 2 * sizeof(T), b[i],
                          has_nan ? std::string("one is NaN")
                                  : fmt::format("{} ulp apart", ulp_distance(a[i], b[i])));
  }
  return testing::AssertionSuccess();
}

}  // namespace

testing::AssertionResult same_bits(std::span<const float> a, std::span<const float> b) {
  return compare(a, b);
}

testing::AssertionResult same_bits(std::span<const double> a, std::span<const double> b) {
  return compare(a, b);
}

testing::AssertionResult same_bits(std::span<const std::int32_t> a,
                                   std::span<const std::int32_t> b) {
  return compare(a, b);
}

void for_each_simd(const std::function<void()>& check) {
  const Simd before = active_simd();
  for (const Simd simd : available_simd()) {
    SCOPED_TRACE(std::string(simd_name(simd)));
    use_simd(simd);
    check();
  }
  use_simd(before);
}

}  // namespace palinode
