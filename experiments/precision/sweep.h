// Every input of f32, or a sample of them, through the contenders for one function.
//
// A block is 2^21 magnitudes with both signs; the 1024 blocks cover all 2^32 inputs, NaN payloads
// included. The reference is computed once for all contenders. A finished block is one line of a
// checkpoint, so that a sweep that was killed goes on where it was; the result is made from the
// lines in the order of the blocks and does not show in how many runs, or by how many threads, they
// were computed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiments/precision/contenders.h"
#include "experiments/precision/judge.h"
#include "experiments/precision/reference.h"
#include "tensor/digest.h"

namespace palinode::experiments::precision {

inline constexpr std::size_t kBlocks = 1024;

struct Sweep {
  // One magnitude in 2^every, at a place of its stretch that is fixed by a hash, and the neighbours
  // of every power of two. 0: all of them.
  unsigned every = 10;
  std::size_t first = 0, end = kBlocks;  // blocks
  bool judged = true;                    // false: digests alone, and no reference
  std::string checkpoint = {};           // its file; empty: none
  std::string identity = {};  // of the program and contenders: a checkpoint of another is refused
  bool quiet = true;
  std::string title = {};  // of the progress
};

struct Swept {
  std::string name;
  bool ours = false;
  Tally tally;                   // over all inputs; its max_ulp by MPFR
  Tally documented;              // over those the contender's documentation speaks of
  float worst_result = 0;        // at the input documented.worst
  std::uint64_t falls = 0;       // neighbours in the wrong order
  std::uint64_t asymmetric = 0;  // inputs with f(-x) not as f(x) says
  std::string digest;            // XXH3-128 of all outputs by block, hashed again by SHA-256
};

struct SweepResult {
  std::uint64_t inputs = 0;
  std::uint64_t decided = 0;  // by MPFR
  double max_distance = 0;    // of the fast reference from MPFR on those, in ULPs of f64
  std::vector<Swept> contenders;
};

// Throws FormatError if the checkpoint is of another sweep, EnvironmentError if it cannot be
// written.
SweepResult sweep(const Reference& reference, std::span<const Contender> contenders,
                  const Sweep& plan);

}  // namespace palinode::experiments::precision
