// The ways to add up n values of f32, and to multiply two vectors, that are compared.
//
// With u = 2^-24 each has a bound |error| <= roundings(n) u sum |x| (for a dot product, sum |a b|)
// to first order in u: the number of rounded operations a term goes through. Sources: Higham,
// "Accuracy and Stability of Numerical Algorithms", 2nd ed., chapters 3 and 4; for the compensated
// ones Ogita, Rump and Oishi, "Accurate sum and dot product", 2005, propositions 4.5 and 5.5. The
// probabilistic bound is lambda sqrt(roundings) u sum |x| with probability 1 - 2 roundings
// e^(-lambda^2 / 2) where rounding errors are independent with mean zero (Higham and Mary, "A new
// approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), 2019,
// theorem 2.4).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace palinode::experiments::precision {

inline constexpr double kUnit = 0x1p-24;

struct SumAlgorithm {
  std::string name;
  bool ours = false;
  std::function<float(std::span<const float>)> run;
  std::function<double(double n)> roundings;
  double given = 0;  // what the inputs' own rounding adds to either bound
};

struct DotAlgorithm {
  std::string name;
  bool ours = false;
  std::function<float(std::span<const float>, std::span<const float>)> run;
  std::function<double(double n)> roundings;
  double given = 0;
};

// Ours first; OpenBLAS's in dots if it is installed, by core type.
std::vector<SumAlgorithm> sum_algorithms();
std::vector<DotAlgorithm> dot_algorithms();

// lambda sqrt(roundings), with lambda for a probability of 99.9 %.
double probable(double roundings);

// The sum of docs/arithmetic.md, section 3, written down a second time, one value at a time.
float lanes_sum(std::span<const float> x);

// Each value rounded to bf16 and back.
std::vector<float> as_bf16(std::span<const float> x);

// What rounding inputs to bf16, of 8 bits, adds to a bound in units of u: 2^-8 for a term of one,
// (1 + 2^-8)^2 - 1 for a product of two.
inline constexpr double kOneBf16 = 0x1p16, kTwoBf16 = 0x1p17 + 0x1p8;

}  // namespace palinode::experiments::precision
