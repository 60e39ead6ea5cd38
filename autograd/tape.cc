#include "autograd/tape.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

constexpr std::size_t kMaxArity = 4;

Tensor plus(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "backward", [&]<class T>() {
    return filled<T>(a.shape(), [&](std::span<T> out) {
      kernels::add(a.compact().values<T>(), b.compact().values<T>(), out);
    });
  });
}

}  // namespace

const Tensor& Var::value() const { return tape_->value(node_); }

const Tensor* Gradients::find(const Store& store, std::size_t entry) const {
  for (const Item& item : items_) {
    if (item.store == &store && item.entry == entry) return &item.value;
  }
  return nullptr;
}

const Tensor& Gradients::at(const Store& store, std::string_view name) const {
  const Tensor* found = find(store, store.index(name));
  if (found == nullptr) {
    throw NameError(
        fmt::format("gradients: the loss does not depend on {}/{}", store.name(), name));
  }
  return *found;
}

Var Tape::push(Node node) {
  nodes_.push_back(std::move(node));
  return {*this, nodes_.size() - 1};
}

Var Tape::constant(Tensor value) {
  Node node;
  node.value = std::move(value);
  return push(std::move(node));
}

Var Tape::parameter(const Store& store, std::size_t entry) {
  for (const std::size_t place : parameters_) {
    if (nodes_[place].store == &store && nodes_[place].entry == entry) return {*this, place};
  }
  Node node;
  node.value = store.entries()[entry].value;
  node.store = &store;
  node.entry = entry;
  node.differentiable = !store.frozen();
  parameters_.push_back(nodes_.size());
  return push(std::move(node));
}

Var Tape::parameter(const Store& store, std::string_view name) {
  return parameter(store, store.index(name));
}

Var Tape::apply(const OpSpec& op, std::span<const Var> operands, Attrs attrs) {
  PALINODE_ASSERT(operands.size() == op.arity && op.arity <= kMaxArity);
  Node node;
  node.op = &op;
  std::vector<Tensor> inputs;
  for (const Var& operand : operands) {
    if (operand.tape_ != this) {
      throw NameError(fmt::format("{}: an operand belongs to another tape", op.name));
    }
    node.operands.push_back(operand.node_);
    node.differentiable |= nodes_[operand.node_].differentiable;
    inputs.push_back(operand.value());
  }
  node.value = op.forward(inputs, attrs);
  node.attrs = std::move(attrs);
  return push(std::move(node));
}

Gradients Tape::backward(Var loss) const {
  if (loss.tape_ != this) throw NameError("backward: the loss belongs to another tape");
  if (loss.value().elements() != 1) {
    throw ShapeError(
        fmt::format("backward: the loss is one number, got {}", loss.value().describe()));
  }
  std::vector<std::optional<Tensor>> gradient(nodes_.size());
  gradient[loss.node_] = with_float(loss.value().dtype(), "backward",
                                    [&]<class T>() { return Tensor::full<T>(loss.shape(), T(1)); });
  for (std::size_t i = loss.node_ + 1; i-- > 0;) {
    const Node& node = nodes_[i];
    if (node.op == nullptr || !node.differentiable || !gradient[i]) continue;
    std::vector<Tensor> inputs;
    std::array<bool, kMaxArity> needed{};
    for (std::size_t k = 0; k < node.operands.size(); ++k) {
      inputs.push_back(nodes_[node.operands[k]].value);
      needed[k] = nodes_[node.operands[k]].differentiable;
    }
    const std::vector<Tensor> parts =
        node.op->backward({inputs, node.value, node.attrs, needed}, *gradient[i]);
    PALINODE_ASSERT(parts.size() == node.operands.size());
    gradient[i].reset();
    for (std::size_t k = 0; k < parts.size(); ++k) {
      const std::size_t operand = node.operands[k];
      if (!needed[k]) continue;
      PALINODE_ASSERT(parts[k].shape() == nodes_[operand].value.shape());
      std::optional<Tensor>& sum = gradient[operand];
      sum = sum ? plus(*sum, parts[k]) : parts[k];
    }
  }
  Gradients result;
  for (const std::size_t place : parameters_) {
    const Node& node = nodes_[place];
    if (!gradient[place]) continue;
    result.items_.push_back({node.store, node.entry, gradient[place]->compact()});
  }
  return result;
}

}  // namespace palinode
