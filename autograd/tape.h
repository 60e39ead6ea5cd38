// Tape: the list of operations of one forward pass. Walking it backwards is reverse-mode
// differentiation.
//
// Operations are recorded in the order they run, so the reversed list is a topological order: no
// recursion, no hash order. Gradients are a returned value; nothing is accumulated in a parameter
// and there is nothing to reset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "autograd/op_spec.h"
#include "tensor/store.h"
#include "tensor/tensor.h"

namespace palinode {

class Tape;

// A value on a tape: a small handle. Good as long as its tape lives.
class Var {
 public:
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  Tape& tape() const { return *tape_; }

 private:
  friend class Tape;
  Var(Tape& tape, std::size_t node) : tape_(&tape), node_(node) {}
  Tape* tape_;
  std::size_t node_;
};

// d loss / d parameter, for each parameter of a store that is not frozen and that the loss depends
// on.
class Gradients {
 public:
  struct Item {
    const Store* store;
    std::size_t entry;  // place in store->entries()
    Tensor value;       // same shape and dtype as the parameter
  };

  std::span<const Item> items() const { return items_; }  // in order of first use on the tape
  // None if the loss does not depend on that parameter.
  const Tensor* find(const Store& store, std::size_t entry) const;
  // Throws NameError if there is none.
  const Tensor& at(const Store& store, std::string_view name) const;

 private:
  friend class Tape;
  std::vector<Item> items_;
};

class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A value nothing is differentiated by.
  Var constant(Tensor value);
  // A parameter: reading it twice gives the same node. A frozen store's parameters take no
  // gradient.
  Var parameter(const Store& store, std::size_t entry);
  Var parameter(const Store& store, std::string_view name);

  // Runs an op and records it. Throws NameError if an operand is of another tape.
  Var apply(const OpSpec& op, std::span<const Var> operands, Attrs attrs = {});

  // Gradients of a scalar. Contributions to one value are added in the order in which the backward
  // walk meets them (docs/arithmetic.md, section 5). Throws ShapeError unless the loss has one
  // element.
  Gradients backward(Var loss) const;

  const Tensor& value(std::size_t node) const { return nodes_[node].value; }
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    const OpSpec* op = nullptr;  // none for a constant or a parameter
    std::vector<std::size_t> operands;
    Attrs attrs;
    Tensor value;
    const Store* store = nullptr;  // of a parameter
    std::size_t entry = 0;
    bool differentiable = false;
  };

  Var push(Node node);

  std::deque<Node>
      nodes_;  // its elements stay where they are, so Var::value may return a reference
  std::vector<std::size_t> parameters_;  // nodes that are parameters
};

inline Gradients backward(Var loss) { return loss.tape().backward(loss); }

}  // namespace palinode
