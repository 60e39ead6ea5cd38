// Operations against the node tests of ONNX (tests/support/onnx.h). They are f32 and channels
// first; what comes in is brought into our layout, and what comes out is brought back.
//
// Of the node tests those are used whose operation is one of ours with these inputs; how many of
// each operation stands in `used` below.
// Left out are the tests whose name ends in _expanded (the same data, as a graph of simpler
// operations), and those of
//   operations that no model here needs (recurrent cells, resizing, strings, quantization, ...)
//   types other than f32
//   one or three spatial axes, ceil_mode, dilated pooling, and padding that is not the same on both
//   sides (auto_pad with an even kernel, asymmetric pads)
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/support/golden.h"
#include "tests/support/onnx.h"

namespace palinode {
namespace {

using onnx::NodeTest;
using Axes = std::vector<std::size_t>;

// What is not ours about a node test.
struct NotOurs {};
void need(bool ours) {
  if (!ours) throw NotOurs{};
}

// The tensor with its axes in another order, value by value.
Tensor permuted(const Tensor& x, const Axes& axes) {
  const std::size_t rank = axes.size();
  std::vector<std::size_t> extents(rank), steps(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    extents[i] = x.shape()[axes[i]];
    steps[i] = 1;
    for (std::size_t j = axes[i] + 1; j < rank; ++j) steps[i] *= x.shape()[j];
  }
  const Tensor from = x.compact();
  return with_element(x.dtype(), [&]<class T>() {
    std::vector<T> values;
    std::vector<std::size_t> at(rank);
    for (std::size_t i = 0; i < x.elements(); ++i) {
      std::size_t place = 0;
      for (std::size_t a = 0; a < rank; ++a) place += at[a] * steps[a];
      values.push_back(from.values<T>()[place]);
      for (std::size_t a = rank; a-- > 0 && ++at[a] == extents[a];) at[a] = 0;
    }
    return Tensor::from<T>(values, Shape(extents));
  });
}

// The order that brings one axis to the end, and the one that brings it back.
Axes to_end(std::size_t rank, std::size_t axis) {
  Axes axes;
  for (std::size_t i = 0; i < rank; ++i) {
    if (i != axis) axes.push_back(i);
  }
  axes.push_back(axis);
  return axes;
}

Axes inverse(const Axes& axes) {
  Axes back(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) back[axes[i]] = i;
  return back;
}

std::size_t axis_of(const NodeTest& t, std::int64_t otherwise) {
  const std::int64_t axis = t.integer("axis", otherwise);
  const auto rank = static_cast<std::int64_t>(t.at(0).shape().rank());
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

using Unary = Var (*)(Var);

std::vector<Tensor> elementwise(const NodeTest& t, Unary op) {
  Tape tape;
  return {op(tape.constant(t.at(0))).value()};
}

using Binary = Var (*)(Var, Var);

std::vector<Tensor> elementwise(const NodeTest& t, Binary op) {
  need(t.at(0).dtype() == Dtype::kF32 && t.operands.size() == 2);
  Tape tape;
  return {op(tape.constant(t.at(0)), tape.constant(t.at(1))).value()};
}

std::vector<Tensor> along_axis(const NodeTest& t, Unary op) {
  const std::size_t rank = t.at(0).shape().rank();
  const Axes axes = to_end(rank, axis_of(t, -1));
  Tape tape;
  const Var y = op(tape.constant(permuted(t.at(0), axes)));
  return {permuted(y.value(), inverse(axes))};
}

std::vector<Tensor> whole(const NodeTest& t, Unary op) {
  need(!t.attributes.contains("axes") && t.integer("noop_with_empty_axes", 0) == 0);
  need(!t.has(1) || t.at(1).empty());
  return {elementwise(t, op)[0].reshape(t.out[0].shape())};
}

std::vector<Tensor> matmul_of(const NodeTest& t) {
  const Shape &a = t.at(0).shape(), &b = t.at(1).shape();
  const std::size_t m = a[a.rank() - 2], k = a.last(), n = b.last();
  const std::size_t batch = a.rows() / m;
  Tape tape;
  const Var x = tape.constant(t.at(0).reshape({batch, m, k}));
  const Var y = tape.constant(t.at(1).reshape({batch, k, n}));
  return {matmul(x, y).value().reshape(t.out[0].shape())};
}

// alpha A B + beta C, C spread over the rows.
std::vector<Tensor> gemm_of(const NodeTest& t) {
  Tape tape;
  Var a = tape.constant(t.at(0)), b = tape.constant(t.at(1));
  if (t.integer("transA", 0) != 0) a = transpose(a);
  if (t.integer("transB", 0) != 0) b = transpose(b);
  Var y = matmul(a, b);
  y = scale(y, t.number("alpha", 1));
  if (!t.has(2)) return {y.value()};
  std::vector<float> spread;
  const std::span<const float> c = t.at(2).values<float>();
  for (std::size_t i = 0; i < y.value().elements(); ++i) spread.push_back(c[i % c.size()]);
  const Var bias =
      scale(tape.constant(Tensor::from<float>(spread, y.shape())), t.number("beta", 1));
  return {add(y, bias).value()};
}

const Axes kToChannelsLast = {0, 2, 3, 1}, kToChannelsFirst = {0, 3, 1, 2};

// The numbers of a window that moves over an image; only what is the same on both sides is ours.
ConvSteps steps_of(const NodeTest& t) {
  need(t.at(0).shape().rank() == 4 && t.text("auto_pad", "NOTSET") == "NOTSET");
  const Axes stride = t.sizes("strides", {1, 1}), padding = t.sizes("pads", {0, 0, 0, 0}),
             dilation = t.sizes("dilations", {1, 1});
  need(padding[0] == padding[2] && padding[1] == padding[3]);
  return {{stride[0], stride[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}};
}

std::vector<Tensor> conv_of(const NodeTest& t) {
  const ConvSteps steps = steps_of(t);
  Tape tape;
  const Var x = tape.constant(permuted(t.at(0), kToChannelsLast));
  const Var weight = tape.constant(permuted(t.at(1), {2, 3, 1, 0}));
  const std::size_t c_out = t.at(1).shape()[0];
  const Var bias = tape.constant(t.has(2) ? t.at(2) : Tensor::zeros({c_out}, Dtype::kF32));
  return {permuted(conv2d(x, weight, bias, steps).value(), kToChannelsFirst)};
}

using Pool = Var (*)(Var, const PoolSteps&);

std::vector<Tensor> pool_of(const NodeTest& t, Pool op) {
  const ConvSteps steps = steps_of(t);
  const Axes window = t.sizes("kernel_shape", {});
  need(t.integer("ceil_mode", 0) == 0 && steps.dilation == std::array<std::size_t, 2>{1, 1});
  // A mean that leaves out the padding is another one than ours.
  need(t.op == "MaxPool" || t.integer("count_include_pad", 0) == 1 ||
       steps.padding == std::array<std::size_t, 2>{0, 0});
  Tape tape;
  const Var x = tape.constant(permuted(t.at(0), kToChannelsLast));
  const Var y = op(x, {{window[0], window[1]}, steps.stride, steps.padding});
  return {permuted(y.value(), kToChannelsFirst)};
}

std::vector<Tensor> global_pool_of(const NodeTest& t, Pool op) {
  need(t.at(0).shape().rank() == 4);
  const Shape& shape = t.at(0).shape();
  Tape tape;
  const Var x = tape.constant(permuted(t.at(0), kToChannelsLast));
  const Var y = op(x, {{shape[2], shape[3]}, {1, 1}, {0, 0}});
  return {permuted(y.value(), kToChannelsFirst)};
}

// momentum * past + (1 - momentum) * batch.
Tensor moved(const NodeTest& t, const Tensor& past, const Tensor& batch) {
  const auto momentum = static_cast<float>(t.number("momentum", 0.9));
  std::vector<float> values;
  for (std::size_t i = 0; i < past.elements(); ++i) {
    values.push_back(momentum * past.values<float>()[i] +
                     (1 - momentum) * batch.values<float>()[i]);
  }
  return Tensor::from<float>(values, past.shape());
}

std::vector<Tensor> batch_norm_of(const NodeTest& t) {
  const Axes axes = to_end(t.at(0).shape().rank(), 1);
  const double eps = t.number("epsilon", 1e-5);
  const bool training = t.integer("training_mode", 0) != 0;
  Tape tape;
  const Var x = tape.constant(permuted(t.at(0), axes));
  const Var gamma = tape.constant(t.at(1)), beta = tape.constant(t.at(2));
  const Tensor &mean = t.at(3), &variance = t.at(4);
  if (!training) {
    const Var y = batch_norm(x, gamma, beta, BatchStatistics{mean, variance, 1}, eps);
    return {permuted(y.value(), inverse(axes))};
  }
  const auto [y, batch] = batch_norm(x, gamma, beta, eps);
  return {permuted(y.value(), inverse(axes)), moved(t, mean, batch.mean),
          moved(t, variance, batch.variance)};
}

// Slices of any axis are rows of a table once that axis is the first.
std::vector<Tensor> gather_of(const NodeTest& t) {
  const std::size_t rank = t.at(0).shape().rank(), axis = axis_of(t, 0);
  Axes front = {axis};
  for (std::size_t i = 0; i < rank; ++i) {
    if (i != axis) front.push_back(i);
  }
  const Tensor table = permuted(t.at(0), front);
  const std::size_t n = table.shape()[0];
  std::vector<std::int32_t> ids;
  for (const std::int32_t id : t.at(1).values<std::int32_t>()) {
    ids.push_back(id < 0 ? id + static_cast<std::int32_t>(n) : id);
  }
  Tape tape;
  const Var rows = tape.constant(table.reshape({n, table.elements() / n}));
  const Var y = embedding(rows, Tensor::from<std::int32_t>(ids, {ids.size()}));
  std::vector<std::size_t> extents = {ids.size()};
  for (std::size_t i = 1; i < rank; ++i) extents.push_back(table.shape()[i]);
  return {permuted(y.value().reshape(Shape(extents)), inverse(front)).reshape(t.out[0].shape())};
}

// Over all axes from `axis` on. Mean and deviation, the other outputs, are no values of ours.
std::vector<Tensor> layer_norm_of(const NodeTest& t) {
  const std::size_t axis = axis_of(t, -1);
  std::size_t n = 1;
  for (std::size_t i = axis; i < t.at(0).shape().rank(); ++i) n *= t.at(0).shape()[i];
  Tape tape;
  const Var x = tape.constant(t.at(0).reshape({t.at(0).elements() / n, n}));
  const Var gamma = tape.constant(t.at(1).reshape({n}));
  const Var beta = tape.constant(t.at(2).reshape({n}));
  const Var y = layer_norm(x, gamma, beta, t.number("epsilon", 1e-5));
  return {y.value().reshape(t.out[0].shape())};
}

// The weight of each row: that of its label, 0 for a label to be ignored, over what ONNX divides by
// in place of our number of rows.
Tensor row_weights(const NodeTest& t, const Tensor& labels) {
  const std::int64_t ignored = t.integer("ignore_index", -1);
  const bool ignores = t.attributes.contains("ignore_index");
  std::vector<double> weights;
  for (const std::int32_t label : labels.values<std::int32_t>()) {
    const auto place = static_cast<std::size_t>(label);
    const bool skip = ignores && label == ignored;
    weights.push_back(skip ? 0 : t.has(2) ? double{t.at(2).values<float>()[place]} : 1);
  }
  const auto rows = static_cast<double>(weights.size());
  const bool mean = t.text("reduction", "mean") == "mean";
  const double by = mean ? rows / std::accumulate(weights.begin(), weights.end(), 0.0) : rows;
  std::vector<float> result;
  for (const double weight : weights) result.push_back(static_cast<float>(weight * by));
  return Tensor::from<float>(result, labels.shape());
}

// Labels to be ignored point at class 0, with weight 0.
Tensor labels_of(const NodeTest& t, std::size_t classes) {
  std::vector<std::int32_t> labels;
  for (const std::int32_t label : t.at(1).values<std::int32_t>()) {
    const bool inside = label >= 0 && static_cast<std::size_t>(label) < classes;
    labels.push_back(inside ? label : 0);
  }
  return Tensor::from<std::int32_t>(labels, {labels.size()});
}

// Classes lie along axis 1; without a reduction each row is a mean over itself.
std::vector<Tensor> cross_entropy_of(const NodeTest& t) {
  const Axes axes = to_end(t.at(0).shape().rank(), 1);
  const Tensor last = permuted(t.at(0), axes);
  const std::size_t n = last.shape().last(), rows = last.shape().rows();
  const Tensor labels = labels_of(t, n);
  const Tensor weights = row_weights(t, t.at(1).reshape({rows}));
  Tape tape;
  const Var logits = tape.constant(last.reshape({rows, n}));
  std::vector<Tensor> out;
  if (t.text("reduction", "mean") == "none") {
    std::vector<float> each;
    for (std::size_t i = 0; i < rows; ++i) {
      const Var row = tape.constant(logits.value().rows(i, i + 1));
      const Var loss = cross_entropy(row, labels.rows(i, i + 1));
      const double weight = double{weights.values<float>()[i]} / static_cast<double>(rows);
      each.push_back(static_cast<float>(loss.value().item() * weight));
    }
    out.push_back(Tensor::from<float>(each, t.out[0].shape()));
  } else {
    out.push_back(cross_entropy(logits, labels, weights).value());
  }
  if (t.out.size() > 1) {
    const Tensor logs = log_softmax(logits).value();
    out.push_back(permuted(logs.reshape(last.shape()), inverse(axes)));
  }
  return out;
}

std::vector<Tensor> reshape_of(const NodeTest& t) {
  Tape tape;
  return {reshape(tape.constant(t.at(0)), t.out[0].shape()).value()};
}

using Compute = std::function<std::vector<Tensor>(const NodeTest&)>;

const std::map<std::string, Compute>& operations() {
  static const std::map<std::string, Compute> kAll = {
      {"Add", [](const NodeTest& t) { return elementwise(t, add); }},
      {"Sub", [](const NodeTest& t) { return elementwise(t, sub); }},
      {"Mul", [](const NodeTest& t) { return elementwise(t, mul); }},
      {"Div", [](const NodeTest& t) { return elementwise(t, div); }},
      {"Min", [](const NodeTest& t) { return elementwise(t, minimum); }},
      {"Max", [](const NodeTest& t) { return elementwise(t, maximum); }},
      {"Sum", [](const NodeTest& t) { return elementwise(t, add); }},
      {"Relu", [](const NodeTest& t) { return elementwise(t, relu); }},
      {"Tanh", [](const NodeTest& t) { return elementwise(t, [](Var x) { return tanh(x); }); }},
      {"Sigmoid",
       [](const NodeTest& t) { return elementwise(t, [](Var x) { return sigmoid(x); }); }},
      {"Exp", [](const NodeTest& t) { return elementwise(t, [](Var x) { return exp(x); }); }},
      {"Log", [](const NodeTest& t) { return elementwise(t, [](Var x) { return log(x); }); }},
      {"Sin", [](const NodeTest& t) { return elementwise(t, [](Var x) { return sin(x); }); }},
      {"Cos", [](const NodeTest& t) { return elementwise(t, [](Var x) { return cos(x); }); }},
      {"Erf", [](const NodeTest& t) { return elementwise(t, [](Var x) { return erf(x); }); }},
      {"Softmax", [](const NodeTest& t) { return along_axis(t, softmax); }},
      {"LogSoftmax", [](const NodeTest& t) { return along_axis(t, log_softmax); }},
      {"ReduceSum", [](const NodeTest& t) { return whole(t, sum); }},
      {"ReduceMean", [](const NodeTest& t) { return whole(t, mean); }},
      {"MatMul", matmul_of},
      {"Gemm", gemm_of},
      {"Conv", conv_of},
      {"MaxPool", [](const NodeTest& t) { return pool_of(t, max_pool2d); }},
      {"AveragePool", [](const NodeTest& t) { return pool_of(t, avg_pool2d); }},
      {"GlobalMaxPool", [](const NodeTest& t) { return global_pool_of(t, max_pool2d); }},
      {"GlobalAveragePool", [](const NodeTest& t) { return global_pool_of(t, avg_pool2d); }},
      {"BatchNormalization", batch_norm_of},
      {"Gather", gather_of},
      {"LayerNormalization", layer_norm_of},
      {"SoftmaxCrossEntropyLoss", cross_entropy_of},
      {"Reshape", reshape_of},
  };
  return kAll;
}

constexpr double kRelative = 1e-5, kAbsolute = 1e-6;  // ONNX itself asks for 1e-3 and 1e-7

void expect_outputs(const NodeTest& t, const std::vector<Tensor>& got, const std::string& name) {
  for (std::size_t k = 0; k < got.size(); ++k) {
    ASSERT_EQ(got[k].shape(), t.out[k].shape()) << name << ", output " << k;
    for (std::size_t i = 0; i < got[k].elements(); ++i) {
      const double want = t.out[k].values<float>()[i];
      ASSERT_NEAR(got[k].values<float>()[i], want, kAbsolute + kRelative * std::abs(want))
          << name << ", output " << k << ", element " << i;
    }
  }
}

TEST(Onnx, OperationsPassTheNodeTestsOfTheirKind) {
  const std::vector<std::string> all = onnx::node_tests();
  if (all.empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  std::map<std::string, int> used;
  for (const std::string& name : all) {
    if (name.ends_with("_expanded")) continue;
    NodeTest test;
    try {
      test = onnx::read_node_test(name);
    } catch (const FormatError&) {
      continue;  // a type or a graph that is not ours; what is used is counted below
    }
    const auto operation = operations().find(test.op);
    if (operation == operations().end()) continue;
    try {
      expect_outputs(test, operation->second(test), name);
      ++used[test.op];
    } catch (const NotOurs&) {
    }
  }
  const std::map<std::string, int> expected = {{"Add", 2},
                                               {"AveragePool", 5},
                                               {"BatchNormalization", 4},
                                               {"Conv", 5},
                                               {"Cos", 2},
                                               {"Div", 3},
                                               {"Erf", 1},
                                               {"Exp", 2},
                                               {"Gather", 4},
                                               {"Gemm", 11},
                                               {"GlobalAveragePool", 2},
                                               {"GlobalMaxPool", 2},
                                               {"LayerNormalization", 19},
                                               {"Log", 2},
                                               {"LogSoftmax", 7},
                                               {"MatMul", 3},
                                               {"Max", 2},
                                               {"MaxPool", 7},
                                               {"Min", 2},
                                               {"Mul", 3},
                                               {"ReduceMean", 2},
                                               {"ReduceSum", 2},
                                               {"Relu", 1},
                                               {"Reshape", 10},
                                               {"Sigmoid", 2},
                                               {"Sin", 2},
                                               {"Softmax", 7},
                                               {"SoftmaxCrossEntropyLoss", 34},
                                               {"Sub", 3},
                                               {"Sum", 1},
                                               {"Tanh", 2}};
  EXPECT_EQ(used, expected);
}

}  // namespace
}  // namespace palinode
