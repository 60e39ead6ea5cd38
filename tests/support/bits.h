// Comparing results bit for bit, and running a check on every SIMD target.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <span>

namespace palinode {

// Same length and, place by place, the same bits; any NaN equals any NaN. A failure names the first
// place that differs, with both values in hex and their distance in ulp.
testing::AssertionResult same_bits(std::span<const float> a, std::span<const float> b);
testing::AssertionResult same_bits(std::span<const double> a, std::span<const double> b);
testing::AssertionResult same_bits(std::span<const std::int32_t> a,
                                   std::span<const std::int32_t> b);

// Calls check() once for each SIMD target this machine can run, with that target in use and named
// in every failure. The target in use before comes back afterwards.
void for_each_simd(const std::function<void()>& check);

}  // namespace palinode

#define EXPECT_SAME_BITS(...) EXPECT_TRUE(::palinode::same_bits(__VA_ARGS__))
