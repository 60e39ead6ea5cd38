#include "tensor/merkle.h"

#include <fmt/format.h>

#include <bit>
#include <string_view>

#include "tensor/error.h"

namespace palinode {
namespace {

constexpr std::string_view kLeaf("\0", 1), kPair("\1", 1);

Sha256Digest leaf_hash(const Sha256Digest& leaf) { return Sha256().add(kLeaf).add(leaf).finish(); }

Sha256Digest pair_hash(const Sha256Digest& left, const Sha256Digest& right) {
  return Sha256().add(kPair).add(left).add(right).finish();
}

// Of n > 1 leaves, how many go to the left.
std::size_t left_of(std::size_t n) { return std::bit_floor(n - 1); }

}  // namespace

Sha256Digest merkle_root(std::span<const Sha256Digest> leaves) {
  if (leaves.empty()) return Sha256().finish();
  if (leaves.size() == 1) return leaf_hash(leaves[0]);
  const std::size_t k = left_of(leaves.size());
  return pair_hash(merkle_root(leaves.first(k)), merkle_root(leaves.subspan(k)));
}

std::vector<Sha256Digest> merkle_path(std::span<const Sha256Digest> leaves, std::size_t index) {
  if (index >= leaves.size()) {
    throw ShapeError(fmt::format("merkle: no leaf {} among {}", index, leaves.size()));
  }
  if (leaves.size() == 1) return {};
  const std::size_t k = left_of(leaves.size());
  const bool left = index < k;
  std::vector<Sha256Digest> path =
      left ? merkle_path(leaves.first(k), index) : merkle_path(leaves.subspan(k), index - k);
  path.push_back(merkle_root(left ? leaves.subspan(k) : leaves.first(k)));
  return path;
}

std::optional<Sha256Digest> merkle_root_of(const Sha256Digest& leaf, std::size_t index,
                                           std::size_t count, std::span<const Sha256Digest> path) {
  if (index >= count || path.empty() != (count == 1)) return std::nullopt;
  if (count == 1) return leaf_hash(leaf);
  const std::size_t k = left_of(count);
  const bool left = index < k;
  const std::optional<Sha256Digest> below = merkle_root_of(
      leaf, left ? index : index - k, left ? k : count - k, path.first(path.size() - 1));
  if (!below) return std::nullopt;
  return left ? pair_hash(*below, path.back()) : pair_hash(path.back(), *below);
}

}  // namespace palinode
