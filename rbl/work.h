// Counting the arithmetic of a forward and backward pass.
#pragma once

#include <cstdint>

#include "autograd/tape.h"

namespace palinode::rbl {

struct Work {
  std::uint64_t passes = 0;
  double flops = 0;

  Work& operator+=(const Work& other) {
    passes += other.passes;
    flops = flops + other.flops;
    return *this;
  }
};

// Floating-point operations of what is on the tape and of its backward walk. Products (matmul,
// linear, conv2d, attention) count two for each multiplication and addition, forward and again for
// each factor that takes a gradient; every other operation counts one for each element of its
// result, likewise. Throws Error for a checkpointed segment, which hides what it runs.
double flops_of(const Tape& tape);

}  // namespace palinode::rbl
