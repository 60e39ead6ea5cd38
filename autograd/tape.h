// Tape: the list of operations of one forward pass. Walking it backwards is reverse-mode
// differentiation.
//
// Operations are recorded in the order they run, so the reversed list is a topological order: no
// recursion, no hash order. Gradients are a returned value; nothing is accumulated in a parameter
// and there is nothing to reset. A tape and all that it makes draws on the memory pool, so a new
// one for every step costs no heap allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "autograd/op_spec.h"
#include "tensor/pool.h"
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
  std::size_t node() const { return node_; }  // its place on the tape

 private:
  friend class Tape;
  Var(Tape& tape, std::size_t node) : tape_(&tape), node_(node) {}
  Tape* tape_;
  std::size_t node_;
};

// d loss / d parameter, for each parameter of a store that is not frozen and that the loss depends
// on; and d loss / d variable for the tape's variables.
class Gradients {
 public:
  struct Item {
    const Store* store;     // none for a variable
    std::size_t entry;      // place in store->entries(); for a variable its node
    Tensor value;           // same shape and dtype as the parameter
    std::uint64_t written;  // Entry::written of the value it was computed from
  };

  // The parameters, in order of first use on the tape.
  std::span<const Item> items() const { return items_; }
  // None if the loss does not depend on that parameter.
  const Tensor* find(const Store& store, std::size_t entry) const;
  const Item* find_item(const Store& store, std::size_t entry) const;
  // Throws NameError if there is none.
  const Tensor& at(const Store& store, std::string_view name) const;
  // By a variable of the tape. None, or NameError, if the loss does not depend on it.
  const Tensor* find(Var variable) const;
  const Tensor& at(Var variable) const;

 private:
  friend class Tape;
  friend class GradientSum;
  PoolVector<Item> items_;
  PoolVector<Item> variables_;
};

// A part of a forward pass that is run again when its gradient is wanted, instead of keeping its
// values (Chen, Xu, Zhang, Guestrin, arXiv:1604.06174): autograd/checkpoint.h.
class Segment {
 public:
  virtual ~Segment() = default;
  virtual Var run(Tape& tape, Var x) const = 0;

 protected:
  Segment() = default;
  Segment(const Segment&) = default;
  Segment& operator=(const Segment&) = default;
  Segment(Segment&&) = default;
  Segment& operator=(Segment&&) = default;
};

class Tape {
 public:
  struct Node {
    const OpSpec* op = nullptr;  // none for a leaf and for a segment
    InlineVector<std::size_t, kMaxArity> operands = {};
    std::shared_ptr<const Attrs> own_attrs = {};  // of an op that is given some
    Tensor value = {};
    PoolVector<Tensor> kept = {};
    const Store* store = nullptr;  // of a parameter
    std::size_t entry = 0;
    std::uint64_t written = 0;  // Entry::written when it was read
    std::shared_ptr<const Segment> segment = {};
    PoolVector<std::size_t> parameters = {};  // nodes of a segment's parameters
    bool differentiable = false;

    const Attrs& attrs() const;  // the defaults where it has none of its own
  };

  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A value nothing is differentiated by, and one that gradients are given for.
  Var constant(Tensor value);
  Var variable(Tensor value);
  // A parameter: reading it twice gives the same node. A frozen store's parameters take no
  // gradient. Throws StaleReadError if it has been written since it was first read.
  Var parameter(const Store& store, std::size_t entry);
  Var parameter(const Store& store, std::string_view name);

  // Runs an op and records it. Throws NameError if an operand is of another tape.
  Var apply(const OpSpec& op, std::span<const Var> operands);
  Var apply(const OpSpec& op, std::span<const Var> operands, Attrs attrs);
  // Runs a segment and records it as one node.
  Var apply(std::shared_ptr<const Segment> segment, Var x);

  // Gradients of a scalar. Contributions to one value are added in the order in which the backward
  // walk meets them (docs/arithmetic.md, section 5). Throws ShapeError unless the loss has one
  // element.
  Gradients backward(Var loss) const;
  // The gradients of sum(dy * y). Throws ShapeError unless dy has y's shape.
  Gradients backward(Var y, const Tensor& dy) const;

  const Tensor& value(std::size_t place) const { return node(place).value; }
  const Node& node(std::size_t place) const { return chunks_[place / kChunk][place % kChunk]; }
  std::size_t size() const { return size_; }

 private:
  // A store that parameters were read from. A model reads mostly in the order in which its
  // parameters were made, so a name is looked for first where the last one read was found, and
  // behind it.
  struct Reads {
    const Store* store;
    PoolVector<std::size_t> nodes = {};  // of each entry; kUnread if none yet
    std::size_t last = 0;                // the entry that was read last
  };
  static constexpr std::size_t kUnread = static_cast<std::size_t>(-1);
  static constexpr std::size_t kChunk = 16;

  Node& push();  // a new node, the last one
  Var last() { return {*this, size_ - 1}; }
  Var record(const OpSpec& op, std::span<const Var> operands, std::shared_ptr<const Attrs> attrs);
  Reads& reads_of(const Store& store);
  Var read(Reads& reads, std::size_t entry);
  void check_mine(Var operand, std::string_view what) const;

  // A node stays where it is, so Var::value may return a reference: a chunk never grows.
  PoolVector<PoolVector<Node>> chunks_;
  std::size_t size_ = 0;
  PoolVector<Reads> reads_;
  PoolVector<std::size_t> parameters_, variables_;  // nodes, in the order in which they were made
};

inline Gradients backward(Var loss) { return loss.tape().backward(loss); }

}  // namespace palinode
