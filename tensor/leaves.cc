#include "tensor/leaves.h"

#include <algorithm>

namespace palinode {

Leaves::Leaves(const Store& store) : store_(&store) { update(); }

std::vector<std::string> Leaves::update() {
  std::vector<std::string> names;
  for (const Entry& entry : store_->entries()) {
    const auto found = sorted_.find(entry.name);
    if (found != sorted_.end() && found->second.written == entry.written) continue;
    sorted_[entry.name] = {leaf_digest(entry.name, entry.value), entry.written};
    names.push_back(entry.name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> Leaves::differing() const {
  std::vector<std::string> names;
  for (const Entry& entry : store_->entries()) {
    const auto found = sorted_.find(entry.name);
    const bool same =
        found != sorted_.end() && found->second.digest == leaf_digest(entry.name, entry.value);
    if (!same) names.push_back(entry.name);
  }
  std::ranges::sort(names);
  return names;
}

Sha256Digest Leaves::fingerprint() const {
  Sha256 sha;
  for (const auto& [name, leaf] : sorted_) sha.add(leaf.digest);
  return sha.finish();
}

}  // namespace palinode
