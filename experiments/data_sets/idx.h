// The IDX files of MNIST and its relatives: a big-endian header (magic number, extents), then one
// byte a value. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace palinode::experiments {

// Grey images (magic 0x803) as f32 [n, h, w, 1], each byte / 255 rounded once. `name` is for
// messages. Throws FormatError for another magic number, extents of 0 or beyond 4,096 (n: 2^24),
// and a size that is not exactly what they ask for.
Tensor idx_images(std::string_view bytes, const std::string& name);

// Classes (magic 0x801) as i32 [n]. Throws FormatError likewise, and for a class >= `classes`.
Tensor idx_labels(std::string_view bytes, const std::string& name, std::int32_t classes);

}  // namespace palinode::experiments
