// The arithmetic of docs/arithmetic.md once more, one value at a time, written from that page
// alone.
//
// Nothing here knows of vectors, tiles or threads. f32 transcendental functions come from MPFR, f64
// ones from scalar_math.h.
#pragma once

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "tests/support/scalar_math.h"

namespace palinode::oracle {

// Section 2. a(i, k) and b(k, j) are functions; an empty bias is none.
template <class T, class A, class B>
std::vector<T> matmul(std::size_t m, std::size_t n, std::size_t k, const A& a, const B& b,
                      std::span<const T> bias) {
  std::vector<T> c;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      T total = 0;
      for (std::size_t begin = 0; begin < k; begin += 256) {
        T acc = 0;
        for (std::size_t p = begin; p < std::min(k, begin + 256); ++p) {
          acc = std::fma(a(i, p), b(p, j), acc);
        }
        total = begin == 0 ? acc : total + acc;
      }
      c.push_back(bias.empty() ? total : total + bias[j]);
    }
  }
  return c;
}

// Section 3, along the last axis. Chunk sums are combined by recursion on the largest power of two.
template <class T>
T sum_of_chunks(std::span<const T> sums) {
  if (sums.empty()) return T{0};
  if (sums.size() == 1) return sums[0];
  std::size_t left = 1;
  while (left * 2 < sums.size()) left *= 2;
  return sum_of_chunks(sums.first(left)) + sum_of_chunks(sums.subspan(left));
}

template <class T>
T sum(std::span<const T> x) {
  std::vector<T> sums;
  for (std::size_t begin = 0; begin < x.size(); begin += 4096) {
    T lane[64] = {};
    for (std::size_t i = begin; i < std::min(x.size(), begin + 4096); ++i) {
      lane[(i - begin) % 64] = lane[(i - begin) % 64] + x[i];
    }
    for (std::size_t h = 32; h > 0; h /= 2) {
      for (std::size_t l = 0; l < h; ++l) lane[l] = lane[l] + lane[l + h];
    }
    sums.push_back(lane[0]);
  }
  return sum_of_chunks(std::span<const T>(sums));
}

// Section 3, along the first axis.
template <class T>
std::vector<T> column_sums(std::span<const T> x, std::size_t rows, std::size_t cols) {
  std::vector<T> out(cols);
  for (std::size_t j = 0; j < cols; ++j) {
    for (std::size_t begin = 0; begin < rows; begin += 256) {
      T acc = 0;
      for (std::size_t i = begin; i < std::min(rows, begin + 256); ++i) acc = acc + x[i * cols + j];
      out[j] = begin == 0 ? acc : out[j] + acc;
    }
  }
  return out;
}

template <class T>
T max(std::span<const T> x) {
  T largest = x[0];
  for (const T value : x) {
    if (std::isnan(value)) return value;
    if (value > largest) largest = value;
  }
  return largest == 0 ? T{0} : largest;
}

template <class T>
std::int32_t argmax(std::span<const T> x) {
  std::size_t best = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    if (std::isnan(x[best])) break;
    if (std::isnan(x[j]) || x[j] > x[best]) best = j;
  }
  return static_cast<std::int32_t>(best);
}

// The f32 nearest to an exact value of 200 bits.
inline float exact(int (*function)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t), float x) {
  mpfr_t value;
  mpfr_init2(value, 200);
  mpfr_set_flt(value, x, MPFR_RNDN);
  function(value, value, MPFR_RNDN);
  const float result = mpfr_get_flt(value, MPFR_RNDN);
  mpfr_clear(value);
  return result;
}

// Section 4.
inline float exp(float x) { return exact(mpfr_exp, x); }
inline float log(float x) { return exact(mpfr_log, x); }
inline float sin(float x) { return exact(mpfr_sin, x); }
inline float cos(float x) { return exact(mpfr_cos, x); }
inline double exp(double x) { return scalar::exp(x); }
inline double log(double x) { return scalar::log(x); }
inline double tanh(double x) { return scalar::tanh(x); }
inline double sin(double x) { return scalar::sin(x); }
inline double cos(double x) { return scalar::cos(x); }

// n values from a fixed sequence in [-2, 2).
template <class T>
std::vector<T> random_values(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  std::vector<T> out(n);
  for (T& x : out) x = static_cast<T>(static_cast<double>(bits() >> 11) * 0x1p-51 - 2);
  return out;
}

// n values meant to break things: exponents from 2^-100 to 2^100, subnormals and zeros of both
// signs; one in 61 is an infinity or NaN if `with_nan`.
template <class T>
std::vector<T> hostile_values(std::size_t n, std::uint64_t seed, bool with_nan = false) {
  std::mt19937_64 bits(seed);
  std::vector<T> out = random_values<T>(n, seed + 1);
  for (T& x : out) {
    const std::uint64_t kind = bits() % 61;
    const T sign = bits() % 2 == 0 ? T{1} : T{-1};
    if (kind < 40) x = std::ldexp(x, static_cast<int>(bits() % 200) - 100);
    if (kind >= 40 && kind < 44) x = sign * T{0};
    if (kind >= 44 && kind < 48) {
      x = sign * std::numeric_limits<T>::denorm_min() * static_cast<T>(bits() % 1000);
    }
    if (kind == 60 && with_nan) {
      x = bits() % 3 == 0 ? std::numeric_limits<T>::quiet_NaN()
                          : sign * std::numeric_limits<T>::infinity();
    }
  }
  return out;
}

}  // namespace palinode::oracle
