// Store: named parameters with one role. Read-only for everybody; only Ledger::commit replaces a
// value.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/arena.h"
#include "tensor/digest.h"
#include "tensor/tensor.h"

namespace palinode {

enum class Role : std::uint8_t { kIdentity, kBehavior, kOptimizer, kBuffer };

std::string_view role_name(Role role);  // "identity", "behavior", "optimizer", "buffer"

struct Entry {
  std::string name;
  Tensor value;
  std::uint64_t written = 0;              // number of the write that put it here, at every level
  std::optional<Xxh3Digest> digest = {};  // of the value, if the ledger's level asks for it
};

// Owned by a Ledger and never moved, so a reference to it stays good as long as the ledger lives.
class Store {
 public:
  const std::string& name() const { return name_; }
  Role role() const { return role_; }
  bool frozen() const { return guard_.has_value(); }
  std::optional<Guard> guard() const { return guard_; }         // of a frozen store
  std::uint64_t frozen_since() const { return frozen_since_; }  // sequence number of the freeze

  std::span<const Entry> entries() const { return entries_; }  // in the order of their creation
  bool contains(std::string_view name) const;
  // The place of a name in entries(), and its value. Throw NameError naming the store for an
  // unknown name.
  std::size_t index(std::string_view name) const;
  const Tensor& at(std::string_view name) const { return entries_[index(name)].value; }

  std::size_t elements() const;  // numbers held in all entries
  std::size_t bytes() const;

 private:
  friend class Ledger;
  Store(std::string name, Role role) : name_(std::move(name)), role_(role) {}

  std::string name_;
  Role role_;
  bool open_ = true;  // not so for a store of a checkpoint until it is opened
  std::optional<Guard> guard_ = {};
  std::uint64_t frozen_since_ = 0;
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> places_;
};

// SHA-256 over the store's leaves in the byte order of their names (docs/arithmetic.md, section 9).
// For a frozen identity this is *the* fingerprint.
Sha256Digest fingerprint(const Store& store);
Sha256Digest fingerprint(std::span<const Entry> entries);

// SHA-256 over each entry's name, type, shape and XXH3-128, in the order of their creation. Names
// the content like the fingerprint at a small part of its price, but only against accident: two
// values of one XXH3 can be made.
Sha256Digest content_key(const Store& store);

}  // namespace palinode
