// Tensors as text, laid out as NumPy's str() lays out arrays: columns aligned at the point, one
// common exponent form when sizes differ much, long axes elided, lines wrapped.
//
//   [[ 1.     -2.5     0.125 ]
//    [ 3.1416     nan  0.    ]] f64
//
// Each number has its shortest digits that read back as the same value, but not more than
// `precision` after the point; beyond that it is rounded to nearest, ties to even.
//
// Different from NumPy on purpose: the precision is 4 and not 8, and holds for a scalar too; the
// type follows if it is not f32; the 16-bit floats print as the f32 they widen to; the bounds
// beyond which exponents are used (largest 1e8, smallest 1e-4, ratio 1000) are rounded to the type
// first, as since NumPy 2.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

#include "tensor/tensor.h"

namespace palinode {

struct PrintOptions {
  std::size_t precision = 4;     // digits after the point, at most
  std::size_t threshold = 1000;  // elements, beyond which long axes are elided
  std::size_t edge = 3;          // places shown at each end of an elided axis, at least 1
  std::size_t width = 75;        // characters of a line
};

std::string to_string(const Tensor& tensor, const PrintOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace palinode
