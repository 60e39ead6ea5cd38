// From weights to a behavior: the dense unit that takes an identity to a tuned model, and the
// low-rank one nearest to it. At each linear layer the difference D [in, out] is replaced by its
// best approximation A B of the rank asked for. What that loses is said, layer by layer; so is what
// no low-rank unit can hold, the differences of biases, norms, convolutions and tables.
//
//   const auto dense = dense_difference(ledger, "difference", *identity, tuned);
//   const Decomposition parts = decompose(*dense, *identity);
//   const ExtractedLora found = extract_lora(ledger, "phi", parts, *identity, rank_of(parts, 0.9));
#pragma once

#include <string>
#include <vector>

#include "rbl/behavior.h"
#include "rbl/svd.h"

namespace palinode::rbl {

// tuned - identity at every parameter, rounded once to its type. Opens the store `name` and commits
// the differences to it (reason load, proposer difference). Throws NameError for a `tuned` without
// a parameter of the identity; ShapeError or DtypeError for one of another shape or type.
BehaviorPointer dense_difference(Ledger& ledger, const std::string& name,
                                 const nn::Network& identity, const Store& tuned);

// A difference that belongs to no linear layer.
struct LeftOut {
  std::string parameter;
  double norm = 0;  // the root of the sum of its squares
};

// A dense unit's differences where there are any, those of linear layers by singular values:
// low-rank units of any rank are made of them.
struct Decomposition {
  struct Site {
    std::string site;
    Matrix difference;  // D
    SingularParts parts;
  };
  std::vector<Site> sites;  // in the order of the unit's, one or more
  std::vector<LeftOut> left_out;
};

// Throws NameError unless the unit is a dense one of this identity; Error if it changes no linear
// layer, or nothing at all; NonFiniteError for a difference that is not finite, or whose squares
// are too large for f64.
Decomposition decompose(const Behavior& dense, const nn::Network& identity);

// The rank of the largest layer: min(in, out).
std::size_t largest_rank(const Decomposition& decomposition);

// The smallest rank, the same at each layer, that leaves at most 1 - share of the sum of the
// squared singular values of all layers; for a share of 1 every one above 0 counts. Throws Error
// unless 0 < share <= 1.
std::size_t rank_of(const Decomposition& decomposition, double share);

struct ExtractedSite {
  std::string site;
  double norm = 0;               // of D: the root of the sum of its squares
  double residual = 0;           // of D - A B, with A and B as they are stored
  std::vector<double> singular;  // of D, the largest first
};

struct ExtractedLora {
  BehaviorPointer unit;  // lora with alpha = rank, so that its scaling is 1
  std::vector<ExtractedSite> sites;
  std::vector<LeftOut> others;

  double left_out() const;  // norm of the differences that belong to no linear layer
  double norm() const;      // of all differences together
  double residual() const;  // of all that the unit does not have
};

// Opens the store `name` and commits the factors to it (reason load, proposer extract-lora). A
// layer of a smaller rank has zeros in the places it does not need. Throws NameError for a rank
// that `lora` does not have.
ExtractedLora extract_lora(Ledger& ledger, const std::string& name,
                           const Decomposition& decomposition, const nn::Network& identity,
                           std::size_t rank);
// The same of a dense unit. Throws as decompose does.
ExtractedLora extract_lora(Ledger& ledger, const std::string& name, const Behavior& dense,
                           const nn::Network& identity, std::size_t rank);

}  // namespace palinode::rbl
