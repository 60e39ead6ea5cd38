// Whether a rollback went too far: the two-sided report on the adaptation's own data. Undoing too
// little leaves that data fitted better than the identity did; undoing too much, as gradient ascent
// does, leaves it fitted worse, which a one-sided test calls perfect.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace palinode::rbl {

enum class Undoing : std::uint8_t { kExact, kTooLittle, kTooMuch };

// Mean cross-entropies in nats, computed in f64.
struct Overshoot {
  double adaptation_change = 0;  // on the adaptation data: of the rolled back less of the identity
  double held_out_change = 0;    // on held-out data of the same kind
  // Of the two: what the function still knows (negative), or was made to forget (positive), of the
  // very examples it was adapted on, beyond others like them.
  double membership = 0;  // adaptation_change - held_out_change
  // By the sign of adaptation_change, beyond the tolerance.
  Undoing undoing = Undoing::kExact;
};

// Outputs of the identity and after the rollback, [rows, classes], on one set of labels, i32
// [rows].
struct LabeledOutputs {
  Tensor identity, recovered, labels;
};

// Throws ShapeError unless each set has outputs for its labels and a label for each output.
Overshoot overshoot(const LabeledOutputs& adaptation, const LabeledOutputs& held_out,
                    double tolerance = 0);

}  // namespace palinode::rbl
