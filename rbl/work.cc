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
  if (op == "linear") return 2.0 * static_cast<double>(shape(1)[0]);
  if (op == "matmul") return 2.0 * static_cast<double>(shape(0).last());
  if (op == "conv2d") {
    return 2.0 * static_cast<double>(shape(1).elements() / std::max<std::size_t>(shape(1)[3], 1));
  }
  if (op == "attention") {
    const Shape& keys = shape(node.operands.size() == 1 ? 0 : 1);
    return 4.0 * static_cast<double>(keys.rows() / node.attrs.attention.batch);
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

}  // namespace

double flops_of(const Tape& tape) {
  double flops = 0;
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Tape::Node& node = tape.node(i);
    if (node.segment != nullptr) {
      throw Error("flops: a checkpointed segment hides its operations");
    }
    if (node.op == nullptr) continue;
    const double forward = cost(tape, node) * static_cast<double>(node.value.elements());
    flops = flops + forward * (1.0 + backward_share(tape, node));
  }
  return flops;
}

}  // namespace palinode::rbl
