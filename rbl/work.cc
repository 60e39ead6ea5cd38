#include "rbl/work.h"

#include <algorithm>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// For one element of the result.
double cost(const Tape& tape, const Tape::Node& node) {
  const auto shape = [&](std::size_t operand) -> const Shape& {
    return tape.value(node.operands[operand]).shape();
  };
  const std::string_view op = node.op->name;
  if (op == "linear_low_rank") return 2.0 * static_cast<double>(shape(4)[0]);
  if (op == "linear") return 2.0 * static_cast<double>(shape(1)[0]);
  if (op == "matmul") return 2.0 * static_cast<double>(shape(0).last());
  if (op == "conv2d") {
    return 2.0 * static_cast<double>(shape(1).elements() / std::max<std::size_t>(shape(1)[3], 1));
  }
  if (op == "attention") {
    const Shape& keys = shape(node.operands.size() == 1 ? 0 : 1);
    return 4.0 * static_cast<double>(keys.rows() / node.attrs().attention.batch);
  }
  return 1.0;
}

// The backward walk through a node, as a multiple of its forward pass.
double backward_share(const Tape& tape, const Tape::Node& node) {
  const std::string_view op = node.op->name;
  // A bias is no factor of the product.
  const bool product = op == "linear" || op == "conv2d";
  const std::size_t factors = product ? 2 : node.operands.size();
  double wanted = 0;
  for (std::size_t i = 0; i < factors; ++i) {
    if (tape.node(node.operands[i]).differentiable) wanted = wanted + 1.0;
  }
  // Two products give the scores and the result; q, k and v are in four of the backward walk.
  return op == "attention" ? std::min(2.0 * wanted, 2.0) : wanted;
}

// A linear layer that adds a low-rank change counts as the two operations it is: the operands of
// the second are the first one's result, x, a and b.
double low_rank_flops(const Tape& tape, const Tape::Node& node) {
  const auto wanted = [&](std::size_t operand) {
    return tape.node(node.operands[operand]).differentiable ? 1.0 : 0.0;
  };
  const double x = wanted(1), w = wanted(4), bias = node.operands.size() == 6 ? wanted(5) : 0.0;
  const double linear = cost(tape, node) * (1.0 + x + w);
  const double change = 1.0 + std::max({x, w, bias}) + x + wanted(2) + wanted(3);
  return static_cast<double>(node.value.elements()) * (linear + change);
}

}  // namespace

double flops_of(const Tape& tape) {
  double flops = 0;
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Tape::Node& node = tape.node(i);
    if (node.segment != nullptr) {
      throw Error("flops: a checkpointed segment hides its operations");
    }
    if (node.op == nullptr) continue;
    if (node.op->name == "linear_low_rank") {
      flops = flops + low_rank_flops(tape, node);
      continue;
    }
    const double forward = cost(tape, node) * static_cast<double>(node.value.elements());
    flops = flops + forward * (1.0 + backward_share(tape, node));
  }
  return flops;
}

}  // namespace palinode::rbl
