// The differentiable operations. Each is documented, formula and gradient, in its file in ops/.
//
// Operands are recorded on one tape, have one float dtype, and are compact or strided; shapes are
// stated beside each. All throw ShapeError or DtypeError naming the op and its operands.
#pragma once

#include <initializer_list>
#include <span>

#include "autograd/tape.h"

namespace palinode {

// Element by element; the operands broadcast as in NumPy.
Var add(Var a, Var b);
Var sub(Var a, Var b);
Var mul(Var a, Var b);
Var div(Var a, Var b);
Var minimum(Var a, Var b);
Var maximum(Var a, Var b);
Var scale(Var x, double factor);         // any shape
Var matmul(Var a, Var b);                // [m, k] [k, n] -> [m, n], or a batch of each
Var transpose(Var x);                    // [..., r, c] -> [..., c, r]
Var reshape(Var x, const Shape& shape);  // any shape of as many elements
// activation(x weight + bias): [..., k] [k, n] [n] -> [..., n]. Not of gelu, whose gradient needs
// more than its result.
Var linear(Var x, Var weight, Var bias,
           kernels::Activation activation = kernels::Activation::kNone);
Var linear(Var x, Var weight, kernels::Activation activation = kernels::Activation::kNone);
// y + (factor * (x a)) b, with the bits of those steps: [m, n] [m, k] [k, rank] [rank, n] -> [m, n]
Var low_rank_add(Var y, Var x, Var a, Var b, double factor);
// low_rank_add(linear(x, weight, bias), x, a, b, factor), or without a bias, with the bits of both
// and of their gradients, and without the y between: x is a matrix.
Var linear_low_rank(Var x, Var weight, Var bias, Var a, Var b, double factor);
Var linear_low_rank(Var x, Var weight, Var a, Var b, double factor);
// Channels last: [n, h, w, c_in] [kh, kw, c_in, c_out] [c_out] -> [n, h_out, w_out, c_out].
Var conv2d(Var x, Var weight, Var bias, const ConvSteps& steps = {});
// Views and copies: axes are counted from the first, or as int also from the last (-1).
Var permute(Var x, std::initializer_list<std::size_t> order);  // axis i of the result is order[i]
Var transpose(Var x, int a, int b);                            // axes a and b exchanged
Var slice(Var x, int axis, std::size_t begin, std::size_t end);
Var concat(std::span<const Var> parts, int axis);  // up to kMaxArity, along an axis they have
Var concat(std::initializer_list<Var> parts, int axis);
Var stack(std::span<const Var> parts, std::size_t axis);  // up to kMaxArity, along a new axis
Var stack(std::initializer_list<Var> parts, std::size_t axis);
Var broadcast_to(Var x, const Shape& shape);
// As on tensors (tensor/shaping.h).
Var gather(Var x, std::size_t axis, const Tensor& indices);
Var masked_fill(Var x, const Tensor& mask, double value);
// Along one axis, which is left out of the result, or is 1 in it.
Var sum(Var x, int axis, bool keepdim = false);
Var mean(Var x, int axis, bool keepdim = false);
Var max(Var x, int axis, bool keepdim = false);
Var clamp(Var x, double low, double high);
Var square(Var x);
Var sqrt(Var x);
Var neg(Var x);
// Windows over x [n, h, w, c], each with a place on x -> [n, h_out, w_out, c]; the mean counts
// padding.
Var max_pool2d(Var x, const PoolSteps& steps = {});
Var avg_pool2d(Var x, const PoolSteps& steps = {});
// Rows of weight [n, d] by i32 ids of any shape -> [ids..., d].
Var embedding(Var weight, const Tensor& ids);
// Drops elements with the probability `rate`, 0 <= rate < 1, by the numbers from `first` on of the
// key's stream, and divides the others by 1 - rate; x, with nothing recorded, if the rate is 0.
Var dropout(Var x, double rate, RngKey key, std::size_t first = 0);
Var relu(Var x);
// Functions of one value; fast in f32 if asked for (docs/arithmetic.md, section 10).
Var tanh(Var x, Precision precision = Precision::kRounded);
Var sigmoid(Var x, Precision precision = Precision::kRounded);
Var gelu(Var x, Precision precision = Precision::kRounded);       // x Phi(x)
Var gelu_tanh(Var x, Precision precision = Precision::kRounded);  // the tanh form of the same
Var silu(Var x, Precision precision = Precision::kRounded);       // x sigmoid(x)
Var exp(Var x, Precision precision = Precision::kRounded);
Var log(Var x, Precision precision = Precision::kRounded);
Var sin(Var x, Precision precision = Precision::kRounded);
Var cos(Var x, Precision precision = Precision::kRounded);
Var erf(Var x, Precision precision = Precision::kRounded);
Var rsqrt(Var x, Precision precision = Precision::kRounded);  // 1 / sqrt(x)
Var sum(Var x);                                               // any shape -> []
Var mean(Var x);                                              // any shape, not empty -> []
Var softmax(Var x);                                           // along the last axis
Var log_softmax(Var x);                                       // along the last axis
// softmax(scale * q k^T) v for each head of each sequence. Row b * time + i of a matrix is position
// i of sequence b; each head has head_dim columns. qkv [batch * time, (heads + 2 kv_heads) *
// head_dim] holds the heads of q, then of k, then of v; apart, q [batch * queries, heads *
// head_dim], k and v [batch * keys, kv_heads * head_dim]. Head h reads head h / (heads / kv_heads)
// of k and v. Result [batch * queries, heads * head_dim].
Var attention(Var qkv, const AttentionConfig& config);
Var attention(Var q, Var k, Var v, const AttentionConfig& config);
// Turns the pairs of values of each head by position * base^(-2 i / head_dim), i counting pairs; x
// [sequences * time, columns], of which the first heads * head_dim are turned and the others stay.
// A pair is i and i + head_dim / 2 of a head, as in Llama and Hugging Face's models, unless
// interleaved. The table holds the angles of the positions from 0 on: make it once.
Var rope(Var x, const Tensor& table, const RopeConfig& config);
// Cosines and sines, f64 [2, positions, head_dim / 2]. Throws ShapeError for an odd head_dim.
Tensor rope_table(std::size_t positions, std::size_t head_dim, double base = 10000);
// Along the last axis: x [..., n], gamma and beta [n] -> [..., n].
Var layer_norm(Var x, Var gamma, Var beta, double eps = 1e-5);
Var rms_norm(Var x, Var gamma, double eps = 1e-5);
// For each column of x [..., c], over all axes but the last; gamma and beta [c]. The variance is
// the mean of squares, divided by the number of rows.
struct BatchStatistics {
  Tensor mean, variance;  // [c]
  std::size_t rows = 0;
};
struct BatchNormed {
  Var y;
  BatchStatistics statistics;
};
BatchStatistics batch_statistics(const Tensor& x);
// By the statistics of x itself (training), or by given ones, of whose rows nothing depends.
BatchNormed batch_norm(Var x, Var gamma, Var beta, double eps = 1e-5);
Var batch_norm(Var x, Var gamma, Var beta, const BatchStatistics& given, double eps = 1e-5);
// Mean over rows of weights[i] * -log softmax(logits)[i, labels[i]].
//   logits [rows, classes], labels i32 [rows], weights [rows] or none (all one) -> []
Var cross_entropy(Var logits, const Tensor& labels, const Tensor& weights = {});

}  // namespace palinode
