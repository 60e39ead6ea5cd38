// From a dense behavior to a low-rank one: at each linear layer the difference D [in, out] is
// replaced by its best approximation A B of the rank asked for. What that loses is said, layer by
// layer; so is what no low-rank unit can hold, the differences of biases, norms and tables.
#pragma once

#include <string>
#include <vector>

#include "rbl/behavior.h"

namespace palinode::rbl {

struct ExtractedSite {
  std::string site;
  double norm = 0;               // of D: the root of the sum of its squares
  double residual = 0;           // of D - A B, with A and B as they are stored
  std::vector<double> singular;  // of D, the largest first
};

struct ExtractedLora {
  BehaviorPointer unit;  // lora with alpha = rank, so that its scaling is 1
  std::vector<ExtractedSite> sites;
  double left_out = 0;  // norm of the differences that belong to no linear layer

  double norm() const;      // of all differences together
  double residual() const;  // of all that the unit does not have
};

// Opens the store `name` and commits the factors to it (reason load, proposer extract-lora). Throws
// NameError unless the unit is a dense one of this identity with a linear layer among its sites;
// NonFiniteError for a difference that is not finite.
ExtractedLora extract_lora(Ledger& ledger, const std::string& name, const Behavior& dense,
                           const nn::Network& identity, std::size_t rank);

}  // namespace palinode::rbl
