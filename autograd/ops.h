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
// Along the last axis: x [..., n], gamma and beta [n] -> [..., n].
Var layer_norm(Var x, Var gamma, Var beta, double eps = 1e-5);
Var rms_norm(Var x, Var gamma, double eps = 1e-5);
// Mean over rows of weights[i] * -log softmax(logits)[i, labels[i]].
//   logits [rows, classes], labels i32 [rows], weights [rows] or none (all one) -> []
Var cross_entropy(Var logits, const Tensor& labels, const Tensor& weights = {});

}  // namespace palinode
