// Inputs on which sums and products are judged, from well-behaved to ill-conditioned.
//
// The condition of a sum is sum |x| / |sum x|, that of a dot product sum |a b| / |a . b|. Those
// with a given one are made after Ogita, Rump and Oishi, "Accurate sum and dot product", SIAM J.
// Sci. Comput. 26(6), 2005, algorithm 6.1: half of the terms have random sizes up to it, the other
// half take the running total back step by step; the last one leaves the total that the condition
// asks for; then all are shuffled.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/rng.h"

namespace palinode::experiments::precision {

enum class Spread : std::uint8_t {
  kUniform,    // in (-1, 1)
  kNormal,     // mean 0, variance 1
  kPositive,   // in (0, 1)
  kCondition,  // of the given condition
  kRange,      // either sign, sizes from 2^-range to 2^range, the exponent uniform
  kSubnormal,  // results below 2^-126
};

struct Family {
  std::string name;
  Spread spread;
  double condition = 1;  // of kCondition
};

// Uniform, normal, positive, conditions 1e2, 1e4, ..., 1e12, sizes from 2^-100 to 2^100, subnormal.
std::span<const Family> families();

// An unevaluated sum hi + lo, with errors of some 2^-104 of its largest partial sum: the truth
// about sums of f32 (self-checked against MPFR, exact_sum).
struct Pair {
  double hi = 0, lo = 0;
  void add(double x);  // Knuth's TwoSum
  double value() const { return hi + lo; }
  double minus(double y) const { return (hi - y) + lo; }  // of a y next to it
};

struct TermTruth {
  Pair total;
  double size = 0;  // the sum of the terms' absolute values
};

TermTruth sum_truth(std::span<const float> x);
TermTruth dot_truth(std::span<const float> a,
                    std::span<const float> b);  // products are exact in f64

// The sum of all products by MPFR with 2,200 bits, exact but for its rounding to f64.
double exact_dot(std::span<const float> a, std::span<const float> b);

void draw_sum(const Family& family, const Rng& rng, std::span<float> x);
void draw_dot(const Family& family, const Rng& rng, std::span<float> a, std::span<float> b);

}  // namespace palinode::experiments::precision
