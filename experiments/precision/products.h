// The tables of matrix products.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "experiments/precision/own_kernel.h"

namespace palinode::experiments::precision {

// Square products of `size`: ours, OpenBLAS's by core type, BLIS's and oneDNN's where installed,
// one chain of fma, an f64 accumulator, bf16 inputs, and one's own. {"kernel", "size", "families",
// "contenders", "identity"}. The truth is the product in f64 by ours, whose error is below 2^-29 k
// of what is measured; some of its elements are checked against MPFR ("truth_error").
nlohmann::ordered_json measure_product(std::size_t size, std::span<const OwnKernel> own);

struct ProductError {
  std::string name;
  double max, rms;
};

// Of products of 512x512 matrices of uniform values in (-1, 1), in units of u sum |a b|: ours and
// those of the libraries.
std::vector<ProductError> library_product_errors();

}  // namespace palinode::experiments::precision
