#include "autograd/tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor plus(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "backward", [&]<class T>() {
    return filled<T>(a.shape(), [&](std::span<T> out) {
      kernels::add(a.compact().values<T>(), b.compact().values<T>(), out);
    });
  });
}

const Attrs kNoAttrs;

// What the backward walk has found so far: for each node the gradient, if there is one.
class Sums {
 public:
  explicit Sums(std::size_t nodes) : sums_(nodes) {}

  bool has(std::size_t node) const { return sums_[node].found; }
  const Tensor& at(std::size_t node) const { return sums_[node].gradient; }
  Tensor take(std::size_t node) { return std::exchange(sums_[node].gradient, Tensor()); }

  void add(std::size_t node, Tensor part) {
    Sum& sum = sums_[node];
    sum.gradient = sum.found ? plus(sum.gradient, part) : std::move(part);
    sum.found = true;
  }

 private:
  struct Sum {
    Tensor gradient = {};
    bool found = false;
  };
  PoolVector<Sum> sums_;
};

void run_backward(const Tape& tape, const Tape::Node& node, const Tensor& dy, Sums& sums) {
  InlineVector<Tensor, kMaxArity> inputs;
  std::array<bool, kMaxArity> needed{};
  for (std::size_t k = 0; k < node.operands.size(); ++k) {
    inputs.push_back(tape.value(node.operands[k]));
    needed[k] = tape.node(node.operands[k]).differentiable;
  }
  const std::span<const Tensor> in(inputs.begin(), inputs.size());
  const std::span<const bool> wanted(needed.data(), inputs.size());
  Parts parts = node.op->backward({in, node.value, node.attrs(), node.kept, wanted}, dy);
  PALINODE_ASSERT(parts.size() == node.operands.size());
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (!needed[k]) continue;
    PALINODE_ASSERT(parts[k].shape() == tape.value(node.operands[k]).shape());
    sums.add(node.operands[k], std::move(parts[k]));
  }
}

void run_segment_backward(const Tape& tape, const Tape::Node& node, const Tensor& dy, Sums& sums) {
  // Also a buffer, which takes no gradient, goes into the values that are computed again.
  for (const std::size_t place : node.parameters) {
    const Tape::Node& parameter = tape.node(place);
    const Entry& now = parameter.store->entries()[parameter.entry];
    if (now.written == parameter.written) continue;
    throw StaleReadError(
        fmt::format("checkpoint: {}/{} was written between the forward pass and the backward pass",
                    parameter.store->name(), now.name));
  }
  Tape again;
  const Var x = again.variable(tape.value(node.operands[0]));
  const Var y = node.segment->run(again, x);
  const Gradients gradients = again.backward(y, dy);
  for (const std::size_t place : node.parameters) {
    const Tape::Node& parameter = tape.node(place);
    const Gradients::Item* item = gradients.find_item(*parameter.store, parameter.entry);
    if (item != nullptr) sums.add(place, item->value);
  }
  const Tensor* dx = gradients.find(x);
  if (dx != nullptr && tape.node(node.operands[0]).differentiable) sums.add(node.operands[0], *dx);
}

}  // namespace

const Tensor& Var::value() const { return tape_->value(node_); }

const Gradients::Item* Gradients::find_item(const Store& store, std::size_t entry) const {
  for (const Item& item : items_) {
    if (item.store == &store && item.entry == entry) return &item;
  }
  return nullptr;
}

const Tensor* Gradients::find(const Store& store, std::size_t entry) const {
  const Item* item = find_item(store, entry);
  return item == nullptr ? nullptr : &item->value;
}

const Tensor& Gradients::at(const Store& store, std::string_view name) const {
  const Tensor* found = find(store, store.index(name));
  if (found == nullptr) {
    throw NameError(
        fmt::format("gradients: the loss does not depend on {}/{}", store.name(), name));
  }
  return *found;
}

const Tensor* Gradients::find(Var variable) const {
  for (const Item& item : variables_) {
    if (item.entry == variable.node()) return &item.value;
  }
  return nullptr;
}

const Tensor& Gradients::at(Var variable) const {
  const Tensor* found = find(variable);
  if (found == nullptr) throw NameError("gradients: the loss does not depend on that variable");
  return *found;
}

const Attrs& Tape::Node::attrs() const { return own_attrs == nullptr ? kNoAttrs : *own_attrs; }

Tape::Node& Tape::push() {
  if (size_ % kChunk == 0) chunks_.emplace_back().reserve(kChunk);
  ++size_;
  return chunks_.back().emplace_back();
}

void Tape::check_mine(Var operand, std::string_view what) const {
  if (operand.tape_ != this) {
    throw NameError(fmt::format("{}: an operand belongs to another tape", what));
  }
}

Var Tape::constant(Tensor value) {
  push().value = std::move(value);
  return last();
}

Var Tape::variable(Tensor value) {
  Node& node = push();
  node.value = std::move(value);
  node.differentiable = true;
  variables_.push_back(size_ - 1);
  return last();
}

Tape::Reads& Tape::reads_of(const Store& store) {
  for (Reads& reads : reads_) {
    if (reads.store == &store) return reads;
  }
  return reads_.emplace_back(Reads{&store});
}

Var Tape::read(Reads& reads, std::size_t entry) {
  const Store& store = *reads.store;
  const Entry& now = store.entries()[entry];
  if (reads.nodes.size() <= entry) reads.nodes.resize(store.entries().size(), kUnread);
  reads.last = entry;
  if (const std::size_t place = reads.nodes[entry]; place != kUnread) {
    const Node& node = this->node(place);
    if (node.written != now.written) {
      throw StaleReadError(
          fmt::format("tape: {}/{} was read as of write {} and has been written since (write {}); "
                      "a pass reads each parameter once: start a new tape",
                      store.name(), now.name, node.written, now.written));
    }
    return {*this, place};
  }
  Node& node = push();
  node.value = now.value;
  node.store = &store;
  node.entry = entry;
  node.written = now.written;
  node.differentiable = !store.frozen() && store.role() != Role::kBuffer;
  reads.nodes[entry] = size_ - 1;
  parameters_.push_back(size_ - 1);
  return last();
}

Var Tape::parameter(const Store& store, std::size_t entry) { return read(reads_of(store), entry); }

Var Tape::parameter(const Store& store, std::string_view name) {
  Reads& reads = reads_of(store);
  const std::span<const Entry> entries = store.entries();
  const std::size_t end = std::min(entries.size(), reads.last + 2);
  for (std::size_t entry = reads.last; entry < end; ++entry) {
    if (entries[entry].name == name) return read(reads, entry);
  }
  return read(reads, store.index(name));
}

Var Tape::apply(const OpSpec& op, std::span<const Var> operands) {
  return record(op, operands, nullptr);
}

Var Tape::apply(const OpSpec& op, std::span<const Var> operands, Attrs attrs) {
  return record(op, operands,
                std::allocate_shared<const Attrs>(PoolAllocator<Attrs>(), std::move(attrs)));
}

Var Tape::record(const OpSpec& op, std::span<const Var> operands,
                 std::shared_ptr<const Attrs> attrs) {
  PALINODE_ASSERT(operands.size() == op.arity ||
                  (op.arity == kVariadic && !operands.empty() && operands.size() <= kMaxArity));
  InlineVector<Tensor, kMaxArity> inputs;
  bool differentiable = false;
  for (const Var& operand : operands) {
    check_mine(operand, op.name);
    inputs.push_back(operand.value());
    differentiable |= node(operand.node_).differentiable;
  }
  Kept kept;
  Tensor value =
      op.forward({inputs.begin(), inputs.size()}, attrs == nullptr ? kNoAttrs : *attrs, kept);
  Node& node = push();
  node.op = &op;
  for (const Var& operand : operands) node.operands.push_back(operand.node_);
  node.own_attrs = std::move(attrs);
  node.value = std::move(value);
  node.differentiable = differentiable;
  // Nobody will ask for what a node without gradient has kept.
  if (differentiable) node.kept.assign(kept.begin(), kept.end());
  return last();
}

Var Tape::apply(std::shared_ptr<const Segment> segment, Var x) {
  check_mine(x, "checkpoint");
  Tape once;
  const Var input = once.variable(x.value());
  const Var y = segment->run(once, input);
  bool differentiable = node(x.node_).differentiable;
  PoolVector<std::size_t> parameters;
  for (const std::size_t place : once.parameters_) {
    const Node& inside = once.node(place);
    const Var parameter = this->parameter(*inside.store, inside.entry);
    parameters.push_back(parameter.node_);
    differentiable |= node(parameter.node_).differentiable;
  }
  Node& node = push();
  node.operands.push_back(x.node_);
  node.value = y.value();
  node.segment = std::move(segment);
  node.parameters = std::move(parameters);
  node.differentiable = differentiable;
  return last();
}

Gradients Tape::backward(Var loss) const {
  check_mine(loss, "backward");
  if (loss.value().elements() != 1) {
    throw ShapeError(
        fmt::format("backward: the loss is one number, got {}", loss.value().describe()));
  }
  return backward(loss, with_float(loss.value().dtype(), "backward",
                                   [&]<class T>() { return Tensor::full<T>(loss.shape(), T(1)); }));
}

Gradients Tape::backward(Var y, const Tensor& dy) const {
  check_mine(y, "backward");
  if (dy.shape() != y.shape() || dy.dtype() != y.value().dtype()) {
    throw ShapeError(fmt::format("backward: dy is of the shape and type of y, {}, got {}",
                                 y.value().describe(), dy.describe()));
  }
  Sums sums(size_);
  sums.add(y.node_, dy);
  for (std::size_t i = y.node_ + 1; i-- > 0;) {
    const Node& node = this->node(i);
    if (node.operands.empty() || !node.differentiable || !sums.has(i)) continue;
    const Tensor gradient = sums.take(i);
    if (node.segment != nullptr) {
      run_segment_backward(*this, node, gradient, sums);
    } else {
      run_backward(*this, node, gradient, sums);
    }
  }
  Gradients result;
  result.items_.reserve(parameters_.size());
  for (const std::size_t place : parameters_) {
    const Node& node = this->node(place);
    if (!node.differentiable || !sums.has(place)) continue;
    result.items_.push_back({node.store, node.entry, sums.at(place).compact(), node.written});
  }
  for (const std::size_t place : variables_) {
    if (!sums.has(place)) continue;
    result.variables_.push_back({nullptr, place, sums.at(place).compact(), 0});
  }
  return result;
}

}  // namespace palinode
