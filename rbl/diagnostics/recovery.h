// Three recoveries, three numbers: of the bits, of the function, of the weights. They disagree, and
// that is the finding: a rollback may bring the function back to 1e-15 nats with a tenth of all
// words still different, or leave the weights where they were and the function whole.
#pragma once

#include "rbl/metrics.h"
#include "rbl/observe.h"

namespace palinode::rbl {

// How far a state of the model is from the identity, in each of the three senses.
struct Departure {
  double kl = 0, js = 0;       // nats, KL(f0 || f) and JS(f0, f), means over the probes
  bool outputs_equal = false;  // every output bit on the probes is the identity's
  Distance weights;            // of theta from the identity's
};

// Departure of the function seen now, whose theta holds `now`, from that seen first, whose theta
// held `identity`. Both were observed on the same probes. Throws ShapeError or NameError if they do
// not compare.
Departure departure(const Observation& first, const Observation& seen, const Store& identity,
                    const Store& now);

struct Recovery {
  // Of the bits. The only one of the three in which 1 means that nothing is left.
  std::uint64_t words = 0, words_equal = 0;  // parameters of theta, and those with the old bits
  double words_share = 0;                    // words_equal / words; 1 for a theta of no words
  bool outputs_equal = false;
  bool exact = false;  // every word and every output bit

  // Of the function: 1 - D_rec / D_adapt with D = KL and D = JS. Where outputs are so far apart
  // that KL is infinite, JS still has a number.
  Recoverability kl, js;

  // Of the weights: 1 - ||theta_rec - theta_0|| / ||theta_adapt - theta_0||. Undefined where theta
  // did not move, as under a behavior.
  Recoverability geometry;
};

Recovery recovery(const Departure& adapted, const Departure& recovered);

// Below this, squares of differences lose digits or vanish in f64.
inline constexpr double kDistanceFloor = 0x1p-480;

// 1 - d_rec / d_adapt, typed: undefined if nothing moved, below the floor if what moved cannot be
// measured. Throws NonFiniteError if a weight is NaN or infinite in one state and not in the other.
Recoverability geometric_recoverability(const Distance& adapted, const Distance& recovered);

}  // namespace palinode::rbl
