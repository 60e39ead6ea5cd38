// How a parameter lies in a file: in the ecosystem's convention, which is PyTorch's.
#pragma once

#include "nn/network.h"

namespace palinode::nn {

// The shape of its tensor in a file.
Shape shape_in_file(const Parameter& parameter);

// A value with its axes in the file's order, and back.
Tensor to_file(const Tensor& value, Layout layout);
Tensor from_file(const Tensor& value, Layout layout);

}  // namespace palinode::nn
