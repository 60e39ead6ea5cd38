#include "rbl/unchanged.h"

#include <fmt/format.h>

#include <string>

namespace palinode::rbl {

Unchanged::Unchanged(const Theta& theta) {
  leaves_.emplace_back(*theta.parameters);
  if (theta.buffers != nullptr) leaves_.emplace_back(*theta.buffers);
}

std::optional<Sha256Digest> Unchanged::buffers_fingerprint() const {
  if (buffers() == nullptr) return std::nullopt;
  return buffers()->fingerprint();
}

void Unchanged::check(std::string_view who) const {
  std::string changed;
  for (const Leaves& leaves : leaves_) {
    const Store& store = leaves.store();
    for (const std::string& name : leaves.differing()) {
      const auto was = leaves.sorted().find(name);
      changed += fmt::format("{}{}/{} {} ({})", changed.empty() ? "" : ", ", store.name(), name,
                             store.at(name).describe(),
                             was == leaves.sorted().end()
                                 ? "new"
                                 : fmt::format("leaf {:.8} became {:.8}", hex(was->second.digest),
                                               hex(leaf_digest(name, store.at(name)))));
    }
  }
  if (changed.empty()) return;
  throw IdentityError(fmt::format("{}: the bytes of theta have changed: {}", who, changed));
}

}  // namespace palinode::rbl
