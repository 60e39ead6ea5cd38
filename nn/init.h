// Initializers: the first values of a parameter, from the random stream of its name, so that they
// do not depend on what else is initialized.
//
// Each is a distribution with its size; values are drawn in f64 and rounded once
// (docs/arithmetic.md, section 8). fan_in and fan_out are the numbers of inputs of one output, and
// of outputs of one input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace palinode::nn {

struct Init {
  enum class Kind : std::uint8_t { kConstant, kUniform, kNormal };
  Kind kind = Kind::kConstant;
  double size = 0;  // the constant; the bound of (-bound, bound); the standard deviation
};

Init zeros();
Init ones();
Init uniform(double bound);
Init normal(double deviation);

// Bound 1/sqrt(fan_in): what PyTorch starts linear and convolution layers with.
Init uniform_fan_in(std::size_t fan_in);
// For relu: deviation sqrt(2 / fan_in), or the uniform of the same (He et al., arXiv:1502.01852,
// equation 10).
Init kaiming_normal(std::size_t fan_in);
Init kaiming_uniform(std::size_t fan_in);
// Deviation sqrt(2 / (fan_in + fan_out)), or the uniform of the same (Glorot and Bengio, AISTATS
// 2010, equations 12 and 16).
Init xavier_normal(std::size_t fan_in, std::size_t fan_out);
Init xavier_uniform(std::size_t fan_in, std::size_t fan_out);
// GPT-2's: deviation 0.02, and 0.02 / sqrt(2 layers) for the layers that add to the residual
// stream, two in each block (Radford et al. 2019, section 2.3).
Init gpt2();
Init gpt2_residual(std::size_t layers);

Tensor initial(Init init, const Shape& shape, Dtype dtype, const Rng& rng);

}  // namespace palinode::nn
