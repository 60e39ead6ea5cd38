// Functions of one value, element by element, in the forms an op has: f32 correctly rounded and
// fast, and f64.
#pragma once

#include <span>
#include <string_view>

#include "autograd/op_spec.h"

namespace palinode {

struct UnaryForms {
  void (*f32)(std::span<const float> x, std::span<float> out);
  void (*fast)(std::span<const float> x, std::span<float> out);
  void (*f64)(std::span<const double> x, std::span<double> out);
};

struct BinaryForms {
  void (*f32)(std::span<const float> a, std::span<const float> b, std::span<float> out);
  void (*fast)(std::span<const float> a, std::span<const float> b, std::span<float> out);
  void (*f64)(std::span<const double> a, std::span<const double> b, std::span<double> out);
};

// f(x) and f(a, b), in the form of x's type and the precision. Throw DtypeError naming the op for
// another type.
Tensor map(std::string_view op, const UnaryForms& f, const Tensor& x, Precision precision);
Tensor map(std::string_view op, const BinaryForms& f, const Tensor& a, const Tensor& b,
           Precision precision);

}  // namespace palinode
