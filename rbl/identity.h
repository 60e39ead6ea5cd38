// Identity: a model's theta, frozen as one. Its parameters, its buffers (BatchNorm statistics move
// a model as weights do), their types and shapes, and which of them are read under two names, in
// one digest.
//
//   const auto identity = Identity::freeze(ledger, model);
//   identity.root();                  // what to publish
//   identity.check();                 // are the bytes still those? names the tensor if not
//   const auto proof = identity.prove(Part::kParameter, "token.weight");
//   verify(proof, weight, root);      // for somebody who has one tensor and the root
//
// The root is made of the fingerprints of the two stores and a Merkle tree over their leaves and
// the ties; docs/arithmetic.md, section 9, has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/network.h"
#include "rbl/unchanged.h"
#include "tensor/digest.h"
#include "tensor/ledger.h"

namespace palinode::rbl {

enum class Part : std::uint8_t { kParameter, kBuffer };

std::string_view part_name(Part part);  // "parameter", "buffer"

// That one tensor belongs to the identity of a root.
struct InclusionProof {
  Part part = Part::kParameter;
  std::string name;
  std::size_t place = 0;                 // among the leaves
  std::size_t leaves = 0;                // parameters, buffers and ties together
  std::vector<Sha256Digest> path;        // merkle.h
  Sha256Digest parameters{}, buffers{};  // fingerprints of the stores; zeros if it has no buffers
};

// Whether the value is that of the proof's name in the identity with this root. Needs nothing else.
bool verify(const InclusionProof& proof, const Tensor& value, const Sha256Digest& root);

// Reads the stores of a ledger that outlives it.
class Identity {
 public:
  // Freezes parameters and buffers, each behind the strongest guard there is up to `strongest`.
  // Throws NameError for a tie to a parameter that isn't there, or of one that is; and as
  // Ledger::freeze does.
  static Identity freeze(Ledger& ledger, const nn::Network& network,
                         Guard strongest = Guard::kSealed);
  // Of a network whose stores are frozen already, as a checkpoint's are. Throws IdentityError
  // naming the store if one is not.
  explicit Identity(const nn::Network& network);

  const Theta& theta() const { return theta_; }
  const nn::Ties& ties() const { return ties_; }
  const Sha256Digest& root() const { return root_; }
  Guard guard() const;  // the weaker of its stores'

  // Hashes every byte. Throws IdentityError that names the tensors which are not what was frozen.
  void check() const { frozen_.check("identity"); }
  // Throws NameError if the part has no tensor of that name.
  InclusionProof prove(Part part, std::string_view name) const;

 private:
  Theta theta_;
  nn::Ties ties_;
  Unchanged frozen_;  // theta's leaves at that time
  Sha256Digest root_;
};

}  // namespace palinode::rbl
