#include "tensor/store.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode {

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
  for (const Entry& entry : entries) sorted.emplace(entry.name, &entry.value);
  Sha256 sha;
  for (const auto& [name, value] : sorted) sha.add(leaf_digest(name, *value));
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
