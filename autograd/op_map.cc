#include "autograd/op_map.h"

#include <array>

namespace palinode {

Tensor map(std::string_view op, const UnaryForms& f, const Tensor& x, Precision precision) {
  require_same_dtype(op, {&x, 1});
  const Tensor source = x.compact();
  if (x.dtype() == Dtype::kF64) {
    return filled<double>(x.shape(),
                          [&](std::span<double> out) { f.f64(source.values<double>(), out); });
  }
  return filled<float>(x.shape(), [&](std::span<float> out) {
    (precision == Precision::kFast ? f.fast : f.f32)(source.values<float>(), out);
  });
}

Tensor map(std::string_view op, const BinaryForms& f, const Tensor& a, const Tensor& b,
           Precision precision) {
  const std::array operands = {a.compact(), b.compact()};
  require_same_shape(op, operands);
  if (a.dtype() == Dtype::kF64) {
    return filled<double>(a.shape(), [&](std::span<double> out) {
      f.f64(operands[0].values<double>(), operands[1].values<double>(), out);
    });
  }
  return filled<float>(a.shape(), [&](std::span<float> out) {
    (precision == Precision::kFast ? f.fast : f.f32)(operands[0].values<float>(),
                                                     operands[1].values<float>(), out);
  });
}

}  // namespace palinode
