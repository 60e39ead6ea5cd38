#include "nn/init.h"

#include <cmath>
#include <utility>

#include "tensor/error.h"

namespace palinode::nn {
namespace {

constexpr double kGpt2Deviation = 0.02;

// A uniform distribution in (-bound, bound) has deviation bound / sqrt(3).
Init uniform_of_variance(double variance) { return uniform(std::sqrt(3 * variance)); }
Init normal_of_variance(double variance) { return normal(std::sqrt(variance)); }

double kaiming(std::size_t fan_in) { return 2 / static_cast<double>(fan_in); }
double xavier(std::size_t fan_in, std::size_t fan_out) {
  return 2 / static_cast<double>(fan_in + fan_out);
}

Tensor scaled(const Tensor& values, double factor) {
  TensorBuilder builder(values.shape(), Dtype::kF64);
  const std::span<double> out = builder.values<double>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = factor * values.values<double>()[i];
  return std::move(builder).build();
}

}  // namespace

Init zeros() { return {Init::Kind::kConstant, 0}; }
Init ones() { return {Init::Kind::kConstant, 1}; }
Init uniform(double bound) { return {Init::Kind::kUniform, bound}; }
Init normal(double deviation) { return {Init::Kind::kNormal, deviation}; }

Init uniform_fan_in(std::size_t fan_in) {
  return uniform(1 / std::sqrt(static_cast<double>(fan_in)));
}
Init kaiming_normal(std::size_t fan_in) { return normal_of_variance(kaiming(fan_in)); }
Init kaiming_uniform(std::size_t fan_in) { return uniform_of_variance(kaiming(fan_in)); }
Init xavier_normal(std::size_t fan_in, std::size_t fan_out) {
  return normal_of_variance(xavier(fan_in, fan_out));
}
Init xavier_uniform(std::size_t fan_in, std::size_t fan_out) {
  return uniform_of_variance(xavier(fan_in, fan_out));
}
Init gpt2() { return normal(kGpt2Deviation); }
Init gpt2_residual(std::size_t layers) {
  return normal(kGpt2Deviation / std::sqrt(2 * static_cast<double>(layers)));
}

Tensor initial(Init init, const Shape& shape, Dtype dtype, const Rng& rng) {
  switch (init.kind) {
    case Init::Kind::kConstant:
      return Tensor::full<double>(shape, init.size).to(dtype);
    case Init::Kind::kUniform:
      return rng.uniform(shape, dtype, -init.size, init.size);
    case Init::Kind::kNormal:
      return scaled(rng.normal(shape, Dtype::kF64), init.size).to(dtype);
  }
  PALINODE_ASSERT(false);
}

}  // namespace palinode::nn
