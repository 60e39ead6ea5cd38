// Every row of the op table against its definition, written a second time with the standard library
// in f64.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/op_spec.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/support/message.h"
#include "tests/support/op_definitions.h"

namespace palinode {
namespace {

Values input(const Sample& sample, std::size_t k) {
  const std::span<const double> values = sample.inputs[k].values<double>();
  return {values.begin(), values.end()};
}

Values each(const Sample& sample, const std::function<double(double)>& f) {
  Values y = input(sample, 0);
  for (double& x : y) x = f(x);
  return y;
}

// Rows of a batch of products lie one after the other: row i of c belongs to matrix i / m of b.
Values product(const Sample& s) {
  const Values a = input(s, 0), b = input(s, 1);
  const Shape& left = s.inputs[0].shape();
  const std::size_t m = left[left.rank() - 2], k = left.last(), n = s.inputs[1].shape().last();
  Values c(left.rows() * n);
  for (std::size_t i = 0; i < left.rows(); ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < k; ++l) c[i * n + j] += a[i * k + l] * b[(i / m * k + l) * n + j];
    }
  }
  return c;
}

// y + factor * x a b, element by element.
Values low_rank_of(const Sample& s) {
  const Values y = input(s, 0), x = input(s, 1), a = input(s, 2), b = input(s, 3);
  const std::size_t k = s.inputs[1].shape()[1], rank = s.inputs[2].shape()[1];
  const std::size_t n = s.inputs[3].shape()[1];
  Values z = y;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::size_t row = i / n, column = i % n;
    for (std::size_t p = 0; p < k; ++p) {
      for (std::size_t r = 0; r < rank; ++r) {
        z[i] += s.attrs.factor * x[row * k + p] * a[p * rank + r] * b[r * n + column];
      }
    }
  }
  return z;
}

Values transposed(const Sample& s) {
  const Values x = input(s, 0);
  const std::size_t rows = s.inputs[0].shape()[0], cols = s.inputs[0].shape()[1];
  Values y;
  for (std::size_t j = 0; j < cols; ++j) {
    for (std::size_t i = 0; i < rows; ++i) y.push_back(x[i * cols + j]);
  }
  return y;
}

// The sum over every place (p, q) of the kernel that lies on x, written from the place on x.
Values conv2d_of(const Sample& s) {
  const Shape x = s.inputs[0].shape(), w = s.inputs[1].shape();
  const auto &stride = s.attrs.steps.stride, &padding = s.attrs.steps.padding,
             &dilation = s.attrs.steps.dilation;
  const auto outputs = [&](std::size_t a) {
    return (x[a + 1] + 2 * padding[a] - dilation[a] * (w[a] - 1) - 1) / stride[a] + 1;
  };
  const std::size_t lines = outputs(0), length = outputs(1), c_out = w[3];
  const Values in = input(s, 0), weight = input(s, 1), bias = input(s, 2);
  Values y;
  for (std::size_t at = 0; at < x[0] * lines * length * c_out; ++at) y.push_back(bias[at % c_out]);
  // The output whose place p of the kernel lies on place i of x, if there is one.
  const auto output = [&](std::size_t a, std::size_t i, std::size_t p, std::size_t count) {
    const std::size_t from = i + padding[a];
    if (from < p * dilation[a] || (from - p * dilation[a]) % stride[a] != 0) return count;
    return std::min(count, (from - p * dilation[a]) / stride[a]);
  };
  for (std::size_t at = 0; at < in.size(); ++at) {
    const std::size_t c = at % x[3], j = at / x[3] % x[2], i = at / x[3] / x[2] % x[1];
    for (std::size_t p = 0; p < w[0]; ++p) {
      for (std::size_t q = 0; q < w[1]; ++q) {
        const std::size_t line = output(0, i, p, lines), column = output(1, j, q, length);
        if (line == lines || column == length) continue;
        const std::size_t image = at / x[3] / x[2] / x[1];
        for (std::size_t o = 0; o < c_out; ++o) {
          y[((image * lines + line) * length + column) * c_out + o] +=
              in[at] * weight[((p * w[1] + q) * x[3] + c) * c_out + o];
        }
      }
    }
  }
  return y;
}

Values log_softmax_of(const Sample& s) {
  Values y = input(s, 0);
  const std::size_t n = s.inputs[0].shape().last();
  for (std::size_t i = 0; i < y.size(); i += n) {
    double total = 0;
    for (std::size_t j = 0; j < n; ++j) total += std::exp(y[i + j]);
    for (std::size_t j = 0; j < n; ++j) y[i + j] -= std::log(total);
  }
  return y;
}

Values softmax_of(const Sample& s) {
  Values y = log_softmax_of(s);
  for (double& value : y) value = std::exp(value);
  return y;
}

// h * gamma (+ beta), h = (x - mean) / sqrt(mean of (x - mean)^2 + eps), where RMS norm's mean is
// 0.
Values norm_of(const Sample& s, bool centred) {
  Values y = input(s, 0);
  const std::size_t n = s.inputs[0].shape().last();
  const auto count = static_cast<double>(n);
  for (std::size_t i = 0; i < y.size(); i += n) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; centred && j < n; ++j) mean += y[i + j] / count;
    for (std::size_t j = 0; j < n; ++j) variance += (y[i + j] - mean) * (y[i + j] - mean) / count;
    for (std::size_t j = 0; j < n; ++j) {
      y[i + j] = (y[i + j] - mean) / std::sqrt(variance + s.attrs.eps) * input(s, 1)[j];
      if (centred) y[i + j] += input(s, 2)[j];
    }
  }
  return y;
}

Values cross_entropy_of(const Sample& s) {
  const Values l = log_softmax_of(s);
  const std::size_t rows = s.inputs[0].shape()[0], n = s.inputs[0].shape()[1];
  double total = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double w = s.attrs.weights.empty() ? 1.0 : s.attrs.weights.values<double>()[i];
    const auto label = static_cast<std::size_t>(s.attrs.labels.values<std::int32_t>()[i]);
    total -= w * l[i * n + label];
  }
  return {total / static_cast<double>(rows)};
}

// Every output as a quotient of two sums over the keys that its query sees.
Values attention_of(const Sample& s) {
  const AttentionConfig& c = s.attrs.attention;
  const bool packed = s.inputs.size() == 1;
  const std::size_t q_row = s.inputs[0].shape()[1], k_row = s.inputs[packed ? 0 : 1].shape()[1];
  const std::size_t n = q_row / (packed ? c.heads + 2 * c.kv_heads : c.heads);
  const std::size_t queries = s.inputs[0].shape()[0] / c.batch;
  const std::size_t keys = s.inputs[packed ? 0 : 1].shape()[0] / c.batch;
  const Values q = input(s, 0), k = packed ? q : input(s, 1), v = packed ? q : input(s, 2);
  const std::size_t k_column = packed ? c.heads * n : 0;
  const std::size_t v_column = packed ? (c.heads + c.kv_heads) * n : 0;
  const double scale = c.scale == 0 ? std::pow(static_cast<double>(n), -0.5) : c.scale;
  Values y(c.batch * queries * c.heads * n);
  for (std::size_t at = 0; at < y.size(); ++at) {
    const std::size_t d = at % n, h = at / n % c.heads, row = at / n / c.heads;
    const std::size_t head = h * c.kv_heads / c.heads * n;
    const std::size_t last = c.causal ? keys - queries + row % queries : keys - 1;
    double above = 0, below = 0;
    for (std::size_t j = 0; j <= last; ++j) {
      const std::size_t key = (row / queries * keys + j) * k_row;
      double score = 0;
      for (std::size_t l = 0; l < n; ++l) {
        score += q[row * q_row + h * n + l] * k[key + k_column + head + l];
      }
      const double e = std::exp(score * scale);
      above += e * v[key + v_column + head + d];
      below += e;
    }
    y[at] = above / below;
  }
  return y;
}

// y = x cos + turned(x) sin, as the models' own code has it, with turned(x) = (-x2, x1).
Values rope_of(const Sample& s) {
  const RopeConfig& c = s.attrs.rope;
  const std::size_t half = s.attrs.table.shape()[2], columns = s.inputs[0].shape()[1];
  const Values x = input(s, 0);
  Values y = x;
  for (std::size_t at = 0; at < x.size(); ++at) {
    const std::size_t column = at % columns, place = column % (2 * half);
    if (column >= c.heads * 2 * half) continue;
    const bool first = c.interleaved ? place % 2 == 0 : place < half;
    const std::size_t pair = c.interleaved ? place / 2 : place % half;
    const std::size_t distance = c.interleaved ? 1 : half;
    const auto position = static_cast<double>(c.offset + at / columns % c.time);
    const double exponent = static_cast<double>(pair) / static_cast<double>(half);
    const double angle = position * std::pow(10000, -exponent);
    const double other = first ? -x[at + distance] : x[at - distance];
    y[at] = x[at] * std::cos(angle) + other * std::sin(angle);
  }
  return y;
}

// x w (+ bias) + factor * v a b.
Values linear_low_rank_of(const Sample& s) {
  Sample change = s;
  change.inputs = {Tensor(), s.inputs[0], s.inputs[2], s.inputs[3]};
  change.inputs[0] = Tensor::zeros({s.inputs[0].shape()[0], s.inputs[3].shape()[1]}, Dtype::kF64);
  Sample layer = s;
  layer.inputs = {s.inputs[1], s.inputs[4]};
  Values z = low_rank_of(change);
  const Values y = product(layer);
  const std::size_t n = s.inputs[4].shape()[1];
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] += y[i] + (s.inputs.size() == 6 ? input(s, 5)[i % n] : 0);
  }
  return z;
}

double gelu_tanh_of(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

const std::map<std::string, std::function<Values(const Sample&)>>& definitions() {
  static const std::map<std::string, std::function<Values(const Sample&)>> kAll = {
      {"scale",
       [](const Sample& s) { return each(s, [&](double x) { return x * s.attrs.factor; }); }},
      {"matmul", product},
      {"low_rank_add", low_rank_of},
      {"linear_low_rank", linear_low_rank_of},
      {"transpose", transposed},
      {"reshape", [](const Sample& s) { return input(s, 0); }},
      {"conv2d", conv2d_of},
      {"relu", [](const Sample& s) { return each(s, [](double x) { return std::max(x, 0.0); }); }},
      {"tanh", [](const Sample& s) { return each(s, [](double x) { return std::tanh(x); }); }},
      {"sigmoid",
       [](const Sample& s) { return each(s, [](double x) { return 1 / (1 + std::exp(-x)); }); }},
      {"gelu",
       [](const Sample& s) {
         return each(s, [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); });
       }},
      {"gelu_tanh", [](const Sample& s) { return each(s, gelu_tanh_of); }},
      {"exp", [](const Sample& s) { return each(s, [](double x) { return std::exp(x); }); }},
      {"log", [](const Sample& s) { return each(s, [](double x) { return std::log(x); }); }},
      {"sin", [](const Sample& s) { return each(s, [](double x) { return std::sin(x); }); }},
      {"cos", [](const Sample& s) { return each(s, [](double x) { return std::cos(x); }); }},
      {"erf", [](const Sample& s) { return each(s, [](double x) { return std::erf(x); }); }},
      {"rsqrt",
       [](const Sample& s) { return each(s, [](double x) { return std::pow(x, -0.5); }); }},
      {"sum",
       [](const Sample& s) {
         const Values x = input(s, 0);
         return Values{std::accumulate(x.begin(), x.end(), 0.0)};
       }},
      {"mean",
       [](const Sample& s) {
         const Values x = input(s, 0);
         return Values{std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size())};
       }},
      {"softmax", softmax_of},
      {"log_softmax", log_softmax_of},
      {"attention", attention_of},
      {"rope", rope_of},
      {"layer_norm", [](const Sample& s) { return norm_of(s, true); }},
      {"rms_norm", [](const Sample& s) { return norm_of(s, false); }},
      {"cross_entropy", cross_entropy_of}};
  return kAll;
}

struct OpValue : testing::TestWithParam<const OpSpec*> {};

TEST_P(OpValue, IsThatOfItsDefinition) {
  const OpSpec& op = *GetParam();
  const std::string name(op.name);
  const auto& all = more_definitions().contains(name) ? more_definitions() : definitions();
  ASSERT_TRUE(all.contains(name)) << "no definition for " << name;
  for (std::uint64_t draw = 0; draw < 20; ++draw) {
    const Sample sample = op.sample(Rng(3).stream(op.name).stream(draw));
    Kept kept;
    const Tensor y = op.forward(sample.inputs, sample.attrs, kept);
    const Values want = all.at(name)(sample);
    ASSERT_EQ(y.elements(), want.size());
    const Tensor values = y.compact();
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(values.values<double>()[i], want[i], 1e-13 * std::max(1.0, std::abs(want[i])));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, OpValue, testing::ValuesIn(op_table().begin(), op_table().end()),
                         [](const auto& info) { return std::string(info.param->name); });

Var constant(Tape& tape, const Shape& shape) {
  return tape.constant(Tensor::zeros(shape, Dtype::kF32));
}

TEST(OpErrors, NameTheOpAndBothShapes) {
  Tape tape;
  EXPECT_MESSAGE(matmul(constant(tape, {2, 3}), constant(tape, {4, 5})), ShapeError,
                 "matmul: inner sizes differ: f32 [2, 3], f32 [4, 5]");
  EXPECT_MESSAGE(matmul(constant(tape, {2, 3, 4}), constant(tape, {3, 4, 5})), ShapeError,
                 "matmul: batches differ: f32 [2, 3, 4], f32 [3, 4, 5]");
  EXPECT_MESSAGE(matmul(constant(tape, {2, 3, 4}), constant(tape, {4, 5})), ShapeError,
                 "matmul: needs two matrices or two batches of them: f32 [2, 3, 4], f32 [4, 5]");
  EXPECT_MESSAGE(transpose(constant(tape, {2})), ShapeError,
                 "transpose: needs two axes, got f32 [2]");
  EXPECT_MESSAGE(reshape(constant(tape, {2, 3}), {4}), ShapeError,
                 "reshape: f32 [2, 3] has 6 elements, [4] has 4");
  EXPECT_MESSAGE(add(constant(tape, {2}), constant(tape, {3})), ShapeError,
                 "add: cannot broadcast f32 [2] with f32 [3]: axis 0 is 2 and 3");
  EXPECT_MESSAGE(mean(constant(tape, {0})), ShapeError, "mean: the mean of nothing: f32 [0]");
  EXPECT_MESSAGE(linear(constant(tape, {2, 3}), constant(tape, {3, 4}), constant(tape, {5})),
                 ShapeError, "linear: sizes differ: f32 [2, 3], f32 [3, 4], f32 [5]");
  EXPECT_MESSAGE(
      conv2d(constant(tape, {1, 5, 5, 3}), constant(tape, {3, 3, 2, 4}), constant(tape, {4})),
      ShapeError, "conv2d: channels differ: f32 [1, 5, 5, 3], f32 [3, 3, 2, 4], f32 [4]");
  EXPECT_MESSAGE(
      conv2d(constant(tape, {1, 5, 4, 3}), constant(tape, {5, 5, 3, 4}), constant(tape, {4})),
      ShapeError,
      "conv2d: kernel 5 with dilation 1 reaches over 5 places, but x has 4 and padding 0 on both "
      "sides");
  EXPECT_MESSAGE(softmax(constant(tape, {2, 0})), ShapeError,
                 "softmax: the last axis is empty: f32 [2, 0]");
  EXPECT_MESSAGE(layer_norm(constant(tape, {2, 3}), constant(tape, {3}), constant(tape, {2})),
                 ShapeError,
                 "layer_norm: needs x [..., n], gamma [n], beta [n], n not 0: f32 [2, 3], f32 [3], "
                 "f32 [2]");
  EXPECT_MESSAGE(rms_norm(constant(tape, {}), constant(tape, {1})), ShapeError,
                 "rms_norm: needs x [..., n] and gamma [n], n not 0: f32 [], f32 [1]");
}

TEST(OpErrors, NameTheTypes) {
  Tape tape;
  const Var wide = tape.constant(Tensor::zeros({2}, Dtype::kF64));
  EXPECT_MESSAGE(mul(constant(tape, {2}), wide), DtypeError,
                 "mul: operands differ in type: f32 [2] and f64 [2]");
}

TEST(OpErrors, NameTheLabelOutOfRange) {
  Tape tape;
  const Tensor labels = Tensor::full<std::int32_t>({2}, 3);
  EXPECT_MESSAGE(cross_entropy(constant(tape, {2, 3}), labels), ShapeError,
                 "cross_entropy: label 3 is not in [0, 3)");
  EXPECT_MESSAGE(cross_entropy(constant(tape, {4, 3}), labels), ShapeError,
                 "cross_entropy: labels are i32 [4], got i32 [2]");
}

}  // namespace
}  // namespace palinode
