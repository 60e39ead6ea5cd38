// Where is the first number that is not one?
#pragma once

#include <cstddef>
#include <optional>

#include "tensor/tensor.h"

namespace palinode {

// The first element, in row-major order, that is NaN or infinite; none if all are finite. Throws
// DtypeError for anything but f32 and f64.
std::optional<std::size_t> first_not_finite(const Tensor& tensor);

}  // namespace palinode
