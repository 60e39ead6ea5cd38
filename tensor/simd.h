// Which vector instructions the kernels use, and whether this machine keeps the arithmetic
// contract.
//
// The choice changes speed and never a bit (docs/arithmetic.md). It is process-wide; change it only
// while no kernel runs.
#pragma once

#include <string_view>
#include <vector>

namespace palinode {

enum class Simd { kScalar, kSse4, kAvx2, kAvx3, kNeon };

// The targets that were compiled in and that this processor can run, best first. Never empty.
std::vector<Simd> available_simd();

// Makes every kernel use this target. Throws EnvironmentError if it is not among available_simd().
void use_simd(Simd simd);

// The target in use: the best available one until use_simd is called.
Simd active_simd();

// "scalar", "sse4", "avx2", "avx3", "neon".
std::string_view simd_name(Simd simd);

// Throws EnvironmentError unless the calling thread rounds to nearest and keeps subnormal numbers,
// as operands and as results (docs/arithmetic.md, section 1).
void check_floating_point();

// The same promise read from the processor's control register, at the price of an instruction: what
// the door asks before every commit.
void check_rounding();

}  // namespace palinode
