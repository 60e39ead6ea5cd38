// The matrix product on tensors, shared by the ops that contain one.
#pragma once

#include "tensor/kernels/matmul.h"
#include "tensor/tensor.h"

namespace palinode {

// activation(a [m, k] times b [k, n], plus bias [n] unless it is empty); or a batch of products
// without either, a [batch, m, k] times b [batch, k, n]. Transposed views are read in place. The
// caller has checked dtypes and shapes.
Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias = {},
               kernels::Activation activation = kernels::Activation::kNone);

// Sum over the first axis: [m, n] -> [n].
Tensor column_sums(const Tensor& x);

}  // namespace palinode
