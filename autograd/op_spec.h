// What an operation is: one file in ops/ holds its formula, its forward and its backward, as one
// OpSpec.
//
// The table of all specs (op_table) drives the tests: gradients against finite differences, shapes,
// bits. A new op is a file in ops/, a declaration in ops.h and a row in ops.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/inline_vector.h"
#include "tensor/kernels/matmul.h"
#include "tensor/pool.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace palinode {

// How a convolution's kernel moves over its input, down and across: tensor/kernels/conv.h.
struct ConvSteps {
  std::array<std::size_t, 2> stride = {1, 1};
  std::array<std::size_t, 2> padding = {0, 0};
  std::array<std::size_t, 2> dilation = {1, 1};
};

// Which form of a transcendental function: the correctly rounded one (docs/arithmetic.md, section
// 4), or the fast one of at most 1.5 ULP (section 10), which f32 only has. Both have the same bits
// everywhere.
enum class Precision : std::uint8_t { kRounded, kFast };

// How a window moves over an image, down and across.
struct PoolSteps {
  std::array<std::size_t, 2> window = {2, 2};
  std::array<std::size_t, 2> stride = {2, 2};
  std::array<std::size_t, 2> padding = {0, 0};
};

// How attention reads its matrices: autograd/ops.h.
struct AttentionConfig {
  std::size_t batch = 1;     // sequences
  std::size_t heads = 1;     // of queries
  std::size_t kv_heads = 1;  // of keys and values, a divisor of heads
  bool causal = true;        // a query sees no later key; the last query sees the last key
  double scale = 0;          // of the scores; 0: 1 / sqrt(head_dim)
  Precision precision = Precision::kRounded;  // of the exponential
};

// Which columns and positions rope turns: autograd/ops.h.
struct RopeConfig {
  std::size_t time = 1;      // positions in a sequence
  std::size_t heads = 1;     // those of q and k, in a packed qkv
  std::size_t offset = 0;    // position of a sequence's first row
  bool interleaved = false;  // pairs are neighbours; otherwise the two halves of a head
};

// What an op takes besides its differentiable inputs.
struct Attrs {
  double factor = 1.0;   // scale
  double eps = 1e-5;     // layer_norm, rms_norm: added to the variance, or the mean of the squares
  ConvSteps steps = {};  // conv2d
  Tensor labels = {};    // i32 [rows]: cross_entropy
  Tensor weights = {};   // [rows] or none: cross_entropy
  Shape shape = {};      // reshape, broadcast_to
  Precision precision = Precision::kRounded;                    // functions of one value
  kernels::Activation activation = kernels::Activation::kNone;  // linear
  std::size_t axis = 0;                                         // ops along one axis
  bool keepdim = false;                                         // sum, mean, max along an axis
  std::size_t begin = 0, end = 0;                               // slice; begin: dropout
  std::array<std::size_t, Shape::kMaxRank> order = {};          // permute
  Tensor indices = {};                                          // i32: embedding, gather
  Tensor mask = {};                                             // i32: masked_fill
  double low = 0, high = 0;                                     // clamp; low: what masked_fill puts
  PoolSteps pool = {};                                          // max_pool2d, avg_pool2d
  Tensor mean = {}, variance = {};                              // batch_norm: of the past, or none
  double rate = 0;                                              // dropout
  RngKey key = {};                                              // dropout
  AttentionConfig attention = {};
  Tensor table = {};  // f64 [2, positions, head_dim / 2]: rope
  RopeConfig rope = {};
};

constexpr std::size_t kMaxArity = 8;
constexpr std::size_t kVariadic = 0;  // an arity: any number of operands

// One gradient for each operand; Tensor() for one that nobody wants.
using Parts = InlineVector<Tensor, kMaxArity>;

// What a forward keeps for its backward besides inputs and output: statistics, a mask, indices.
using Kept = InlineVector<Tensor, 4>;

// What the backward may look at. Tensors are immutable and shared, so keeping them copies nothing.
struct Saved {
  std::span<const Tensor> inputs;
  const Tensor& output;
  const Attrs& attrs;
  std::span<const Tensor> kept;
  std::span<const bool>
      needed;  // whose gradient somebody wants; the others may be left as Tensor()
};

// Inputs and attributes for which an op is differentiable, in f64, for the tests.
struct Sample {
  std::vector<Tensor> inputs;
  Attrs attrs;
};

struct OpSpec {
  std::string_view name;
  std::size_t arity;  // number of operands; kVariadic: any from 1 to kMaxArity
  // The op's value. Throws ShapeError or DtypeError naming the op and every operand.
  Tensor (*forward)(std::span<const Tensor> inputs, const Attrs& attrs, Kept& kept);
  // One gradient per needed input, of the input's shape; dy has the output's.
  Parts (*backward)(const Saved& saved, const Tensor& dy);
  Sample (*sample)(const Rng& rng);
};

// All operations, in the order of ops.def.
std::span<const OpSpec* const> op_table();

// Helpers for the files in ops/.

// A fresh tensor of the shape, filled by fill(std::span<T> out).
template <class T, class Fill>
Tensor filled(const Shape& shape, const Fill& fill) {
  TensorBuilder builder(shape, dtype_of<T>());
  fill(builder.values<T>());
  return std::move(builder).build();
}

// Throw with a message "op: what: operands" unless all operands have one float dtype / one shape.
void require_same_dtype(std::string_view op, std::span<const Tensor> operands);
void require_same_shape(std::string_view op, std::span<const Tensor> operands);
[[noreturn]] void throw_shapes(std::string_view op, std::string_view what,
                               std::span<const Tensor> operands);

// A random extent from 1 to 7, and a random matrix shape, for samples.
std::size_t random_extent(const Rng& rng, std::size_t draw);
Shape random_shape(const Rng& rng);
// The same with one to three axes, for ops along the last one.
Shape random_rows_shape(const Rng& rng);
// Up to three axes of 0 to 4, for ops that take any shape; and one operand for each of `count`,
// of shapes that broadcast.
Shape random_any_shape(const Rng& rng);
std::vector<Tensor> random_broadcasting(const Rng& rng, std::size_t count);

}  // namespace palinode
