// Merkle tree over digests, of the shape and with the proofs of RFC 9162, section 2.1: a list of n
// leaves is split after the largest power of two below n, and so on; a leaf is hashed with the byte
// 0 before it, a pair of hashes with the byte 1, so that neither can pass for the other.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "tensor/digest.h"

namespace palinode {

// The root; SHA-256 of nothing for no leaves.
Sha256Digest merkle_root(std::span<const Sha256Digest> leaves);

// The hashes beside the way from leaf `index` up to the root, from the leaf on: ceil(log2 n) of
// them at most. Throws ShapeError if there is no such leaf.
std::vector<Sha256Digest> merkle_path(std::span<const Sha256Digest> leaves, std::size_t index);

// The root that a leaf, its place among `count` and its path lead to; none if no leaf in that place
// has a path of that length. A leaf is proved by comparing it with a root known otherwise.
std::optional<Sha256Digest> merkle_root_of(const Sha256Digest& leaf, std::size_t index,
                                           std::size_t count, std::span<const Sha256Digest> path);

}  // namespace palinode
