#include "tensor/store.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace palinode {
namespace {

// Bytes of a store that are worth waking threads for.
constexpr std::size_t kParallelBytes = std::size_t{1} << 18;

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kIdentity:
      return "identity";
    case Role::kBehavior:
      return "behavior";
    case Role::kOptimizer:
      return "optimizer";
    case Role::kBuffer:
      return "buffer";
  }
  PALINODE_ASSERT(false);
}

bool Store::contains(std::string_view name) const { return places_.find(name) != places_.end(); }

std::size_t Store::index(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) {
    throw NameError(fmt::format("store {}: no parameter named {}", name_, name));
  }
  return found->second;
}

std::size_t Store::elements() const {
  std::size_t total = 0;
  for (const Entry& entry : entries_) total += entry.value.elements();
  return total;
}

std::size_t Store::bytes() const {
  std::size_t total = 0;
  for (const Entry& entry : entries_) total += entry.value.bytes();
  return total;
}

Sha256Digest fingerprint(const Store& store) { return fingerprint(store.entries()); }

Sha256Digest fingerprint(std::span<const Entry> entries) {
  std::map<std::string_view, const Tensor*> sorted;
  std::size_t bytes = 0;
  for (const Entry& entry : entries) {
    sorted.emplace(entry.name, &entry.value);
    bytes += entry.value.bytes();
  }
  const std::vector<std::pair<std::string_view, const Tensor*>> named(sorted.begin(), sorted.end());
  std::vector<Sha256Digest> leaves(named.size());
  const auto digest = [&](std::size_t i) {
    leaves[i] = leaf_digest(named[i].first, *named[i].second);
  };
  if (named.size() > 1 && bytes >= kParallelBytes) {
    parallel_jobs(named.size(), digest);
  } else {
    for (std::size_t i = 0; i < named.size(); ++i) digest(i);
  }
  Sha256 sha;
  for (const Sha256Digest& leaf : leaves) sha.add(leaf);
  return sha.finish();
}

Sha256Digest content_key(const Store& store) {
  Sha256 sha;
  for (const Entry& entry : store.entries()) {
    const Tensor& value = entry.value;
    sha.add(entry.name).add(std::uint64_t{0}).add(dtype_name(value.dtype()));
    sha.add(std::uint64_t{value.shape().rank()});
    for (const std::size_t extent : value.shape().extents()) sha.add(std::uint64_t{extent});
    const Xxh3Digest digest = entry.digest ? *entry.digest : xxh3(value);
    sha.add(std::as_bytes(std::span(digest)));
  }
  return sha.finish();
}

}  // namespace palinode
