#include "rbl/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "tensor/error.h"
#include "tensor/merkle.h"

namespace palinode::rbl {
namespace {

constexpr std::string_view kZero("\0", 1);

Sha256Digest leaf_of(Part part, const Sha256Digest& tensor) {
  return Sha256().add(part_name(part)).add(kZero).add(tensor).finish();
}

Sha256Digest leaf_of(const nn::Tie& tie) {
  return Sha256().add("tie").add(kZero).add(tie.reader).add(kZero).add(tie.name).finish();
}

// Parameters, buffers and ties, each in the byte order of their names.
std::vector<Sha256Digest> leaves_of(const Unchanged& theta, const nn::Ties& ties) {
  std::vector<Sha256Digest> all;
  for (const auto& [name, leaf] : theta.parameters().sorted()) {
    all.push_back(leaf_of(Part::kParameter, leaf.digest));
  }
  if (theta.buffers() != nullptr) {
    for (const auto& [name, leaf] : theta.buffers()->sorted()) {
      all.push_back(leaf_of(Part::kBuffer, leaf.digest));
    }
  }
  for (const nn::Tie& tie : ties) all.push_back(leaf_of(tie));
  return all;
}

Sha256Digest root_of(const Sha256Digest& parameters, const Sha256Digest& buffers,
                     std::size_t leaves, const Sha256Digest& tree) {
  return Sha256()
      .add("palinode identity 1")
      .add(kZero)
      .add(parameters)
      .add(buffers)
      .add(std::uint64_t{leaves})
      .add(tree)
      .finish();
}

nn::Ties checked_ties(const nn::Network& network) {
  nn::Ties ties = network.ties();
  std::ranges::sort(ties, {}, &nn::Tie::reader);
  const Store& store = network.store();
  for (const nn::Tie& tie : ties) {
    if (store.contains(tie.name) && !store.contains(tie.reader)) continue;
    throw NameError(fmt::format("identity: {} cannot be tied to {}: store {} {}", tie.reader,
                                tie.name, store.name(),
                                store.contains(tie.name) ? "has both" : "lacks the latter"));
  }
  return ties;
}

const Theta& frozen(const Theta& theta) {
  for (const Store* store : {theta.parameters, theta.buffers}) {
    if (store == nullptr || store->frozen()) continue;
    throw IdentityError(fmt::format("identity: store {} is not frozen", store->name()));
  }
  return theta;
}

}  // namespace

std::string_view part_name(Part part) { return part == Part::kParameter ? "parameter" : "buffer"; }

bool verify(const InclusionProof& proof, const Tensor& value, const Sha256Digest& root) {
  const Sha256Digest leaf = leaf_of(proof.part, leaf_digest(proof.name, value));
  const std::optional<Sha256Digest> tree =
      merkle_root_of(leaf, proof.place, proof.leaves, proof.path);
  return tree && root_of(proof.parameters, proof.buffers, proof.leaves, *tree) == root;
}

Identity Identity::freeze(Ledger& ledger, const nn::Network& network, Guard strongest) {
  checked_ties(network);
  ledger.freeze(network.store(), strongest);
  if (network.buffers() != nullptr) ledger.freeze(*network.buffers(), strongest);
  return Identity(network);
}

Identity::Identity(const nn::Network& network)
    : theta_(network), ties_(checked_ties(network)), frozen_(frozen(theta_)) {
  const std::vector<Sha256Digest> leaves = leaves_of(frozen_, ties_);
  root_ = root_of(frozen_.parameters().fingerprint(),
                  frozen_.buffers_fingerprint().value_or(Sha256Digest{}), leaves.size(),
                  merkle_root(leaves));
}

Guard Identity::guard() const {
  const Guard parameters = theta_.parameters->guard().value();
  return theta_.buffers == nullptr ? parameters
                                   : std::min(parameters, theta_.buffers->guard().value());
}

InclusionProof Identity::prove(Part part, std::string_view name) const {
  const Leaves* const own = part == Part::kParameter ? &frozen_.parameters() : frozen_.buffers();
  if (own == nullptr || !own->sorted().contains(name)) {
    throw NameError(fmt::format("identity: no {} named {}", part_name(part), name));
  }
  std::size_t place = part == Part::kParameter ? 0 : frozen_.parameters().sorted().size();
  place += static_cast<std::size_t>(std::distance(own->sorted().begin(), own->sorted().find(name)));
  const std::vector<Sha256Digest> leaves = leaves_of(frozen_, ties_);
  return {.part = part,
          .name = std::string(name),
          .place = place,
          .leaves = leaves.size(),
          .path = merkle_path(leaves, place),
          .parameters = frozen_.parameters().fingerprint(),
          .buffers = frozen_.buffers_fingerprint().value_or(Sha256Digest{})};
}

}  // namespace palinode::rbl
