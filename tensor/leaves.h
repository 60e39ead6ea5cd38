// Leaves: the leaf digests of a store, each kept until the ledger writes its value again.
//
//   Leaves leaves(theta);                  // hashes everything
//   ledger.commit(...);                    // writes one bias
//   leaves.update();                       // {"layer.0.bias"}: hashes that and nothing else
//   leaves.fingerprint();                  // == fingerprint(theta)
//   leaves.differing();                    // hashes everything: whose bytes changed behind the
//   door?
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tensor/digest.h"
#include "tensor/store.h"

namespace palinode {

// Of a store that outlives it.
class Leaves {
 public:
  struct Leaf {
    Sha256Digest digest;        // leaf_digest of the name and the value (digest.h)
    std::uint64_t written = 0;  // Entry::written of that value
  };
  using Sorted = std::map<std::string, Leaf, std::less<>>;  // in the byte order of the names

  explicit Leaves(const Store& store);

  const Store& store() const { return *store_; }
  const Sorted& sorted() const { return sorted_; }
  // Hashes the entries that are new or have been written since, by Entry::written, and returns
  // their names, sorted. It trusts that values change through the ledger only.
  std::vector<std::string> update();
  // Trusts nothing: hashes every value from its bytes and returns the names, sorted, of those that
  // are not what their leaf says or have none.
  std::vector<std::string> differing() const;
  // Of the leaves as kept: fingerprint(store()) as of the last update.
  Sha256Digest fingerprint() const;

 private:
  const Store* store_;
  Sorted sorted_;
};

}  // namespace palinode
