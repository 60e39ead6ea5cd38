// The differentiable operations. Each is documented, formula and gradient, in its file in ops/.
//
// Operands are recorded on one tape, have one float dtype, and are compact or strided; shapes are
// stated beside each. All throw ShapeError or DtypeError naming the op and its operands.
#pragma once

#include "autograd/tape.h"

namespace palinode {

// Element by element; the operands broadcast as in NumPy.
Var add(Var a, Var b);
Var sub(Var a, Var b);
Var mul(Var a, Var b);
Var div(Var a, Var b);
Var minimum(Var a, Var b);
Var maximum(Var a, Var b);
Var scale(Var x, double factor);          // any shape
Var matmul(Var a, Var b);                 // [m, k] [k, n] -> [m, n], or a batch of each
Var transpose(Var x);                     // [..., r, c] -> [..., c, r]
Var reshape(Var x, const Shape& shape);   // any shape of as many elements
Var linear(Var x, Var weight, Var bias);  // [m, k] [k, n] [n] -> [m, n]
// Channels last: [n, h, w, c_in] [kh, kw, c_in, c_out] [c_out] -> [n, h_out, w_out, c_out].
Var conv2d(Var x, Var weight, Var bias, const ConvSteps& steps = {});
// Windows over x [n, h, w, c], each with a place on x -> [n, h_out, w_out, c]; the mean counts
// padding.
Var max_pool2d(Var x, const PoolSteps& steps = {});
Var avg_pool2d(Var x, const PoolSteps& steps = {});
// Rows of weight [n, d] by i32 ids of any shape -> [ids..., d].
Var embedding(Var weight, const Tensor& ids);
// Drops elements with the probability `rate`, 0 <= rate < 1, and divides the others by 1 - rate; x
// itself, with nothing recorded, if the rate is 0.
Var dropout(Var x, double rate, RngKey key);
Var relu(Var x);
Var tanh(Var x);
Var sigmoid(Var x);
Var gelu(Var x);       // x Phi(x)
Var gelu_tanh(Var x);  // the tanh form of the same
Var exp(Var x);
Var log(Var x);
Var sin(Var x);
Var cos(Var x);
Var erf(Var x);
Var rsqrt(Var x);        // 1 / sqrt(x)
Var sum(Var x);          // any shape -> []
Var mean(Var x);         // any shape, not empty -> []
Var softmax(Var x);      // along the last axis
Var log_softmax(Var x);  // along the last axis
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
