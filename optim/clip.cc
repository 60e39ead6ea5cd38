#include "optim/clip.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/error.h"
#include "tensor/finite.h"
#include "tensor/kernels/reduce.h"

namespace palinode::optim {
namespace {

double sum_of_squares(const Tensor& x) {
  return with_float(x.dtype(), "global norm",
                    [&]<class T>() { return kernels::sum_of_squares(x.compact().values<T>()); });
}

[[noreturn]] void throw_not_finite(const Gradients& gradients, const Store& target) {
  for (std::size_t i = 0; i < target.entries().size(); ++i) {
    const Tensor* gradient = gradients.find(target, i);
    const auto bad = gradient == nullptr ? std::nullopt : first_not_finite(*gradient);
    if (!bad) continue;
    throw NonFiniteError(
        fmt::format("global norm: the gradient of {}/{} {} is not finite, first at element {}",
                    target.name(), target.entries()[i].name, gradient->describe(), *bad));
  }
  throw NonFiniteError(fmt::format(
      "global norm: the squares of the gradients of {} sum to more than f64 holds", target.name()));
}

}  // namespace

double global_norm(const Gradients& gradients, const Store& target) {
  double total = 0;
  for (std::size_t i = 0; i < target.entries().size(); ++i) {
    const Tensor* gradient = gradients.find(target, i);
    if (gradient != nullptr) total = total + sum_of_squares(*gradient);
  }
  if (!std::isfinite(total)) throw_not_finite(gradients, target);
  return std::sqrt(total);
}

double clip_factor(double norm, double max_norm) {
  const double factor = max_norm / (norm + 1e-6);
  return factor < 1 ? factor : 1;
}

}  // namespace palinode::optim
