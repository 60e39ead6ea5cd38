// Every function of tensor/kernels/math.h, and the derivatives of tensor/kernels/elementwise.h, in
// all their forms, for the tests.
#pragma once

#include <mpfr.h>

#include <cstdint>
#include <ostream>
#include <span>
#include <string_view>

namespace palinode {

struct Function {
  const char* name;
  void (*f32)(std::span<const float>, std::span<float>);
  void (*f64)(std::span<const double>, std::span<double>);
  // The value by libm, at f32 inputs within `ulps` ulps of f64.
  double (*near)(double);
  std::uint64_t ulps;
  void (*exact)(mpfr_ptr y, mpfr_srcptr x);
  // The f64 algorithm, written a second time.
  double (*scalar)(double);
};

std::span<const Function> functions();
const Function& function_named(std::string_view name);
void PrintTo(const Function& function, std::ostream* out);

// The f32 nearest to the exact value: by libm where no tie of f32 is within its error, else by
// MPFR.
float nearest_float(const Function& function, float x);

template <class T>
T at(void (*function)(std::span<const T>, std::span<T>), T x) {
  T y;
  function(std::span<const T>(&x, 1), std::span<T>(&y, 1));
  return y;
}

}  // namespace palinode
