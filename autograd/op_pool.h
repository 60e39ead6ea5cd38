// What the two pooling operations share.
#pragma once

#include <span>
#include <string_view>

#include "autograd/op_spec.h"
#include "tensor/kernels/pool.h"

namespace palinode {

// Throws ShapeError or DtypeError naming the op unless x is [n, h, w, c], each window has a place
// on it and no padding reaches a window's extent.
kernels::PoolShape pool_shape(std::string_view op, std::span<const Tensor> in,
                              const PoolSteps& steps);

Sample pool_sample(const Rng& rng);

}  // namespace palinode
