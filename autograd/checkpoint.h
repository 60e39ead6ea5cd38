// Gradient checkpointing: keep a part's input instead of all its values, and run it again in the
// backward pass (Chen, Xu, Zhang, Guestrin, arXiv:1604.06174).
#pragma once

#include <memory>
#include <utility>

#include "autograd/tape.h"
#include "tensor/pool.h"

namespace palinode {

// f(tape, x) as one node of x's tape. In the backward pass f runs a second time on a tape of its
// own, so it must do the same again: it may read parameters, and random numbers by their address,
// but it must not write anything. What f refers to lives at least as long as the tape. The
// gradients are those of f run plainly, bit for bit, as long as no parameter is read both inside
// and outside of it, or in two segments (the order in which its contributions are added may then
// differ).
template <class F>
Var checkpoint(Var x, F f) {
  class Function : public Segment {
   public:
    explicit Function(F f) : f_(std::move(f)) {}
    Var run(Tape& tape, Var x) const override { return f_(tape, x); }

   private:
    F f_;
  };
  return x.tape().apply(std::allocate_shared<Function>(PoolAllocator<Function>(), std::move(f)), x);
}

}  // namespace palinode
