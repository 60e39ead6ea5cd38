// What sine and cosine read besides their argument; private to the kernels.
#pragma once

#include <cstdint>

namespace palinode::kernels {

// sin(j/32) and cos(j/32), each as the first 26 bits and the nearest f64 to the rest.
extern const double kSinCosTable[32][4];

// Word i holds the 64 bits of 2/pi from weight 2^(63 - 64 i) down to 2^(-64 i).
extern const std::uint64_t kTwoOverPiBits[20];

// x modulo pi/2: x = quadrant * pi/2 + hi + lo modulo 2 pi, with |hi| at most pi/4.
struct ReducedAngle {
  std::uint64_t quadrant;
  double hi;
  double lo;
};

// The reduction of a finite x >= 1 in integers (Payne and Hanek, 1983), hi + lo good to 2^-72 of
// itself; other x give NaN.
ReducedAngle reduce_large_angle(double x);

}  // namespace palinode::kernels
