// What a commit works on between its checks and the moment its values are put in place. Private to
// the ledger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tensor/ledger.h"
#include "tensor/write_pass.h"

namespace palinode {

// One place a proposal writes to: a Removal's, a Write's, a step's parameter, or one of its
// moments.
struct Ledger::Target {
  Store* store;
  std::size_t place;
  std::string_view name;
  const Tensor* old;  // none for a new entry
  bool removed = false;
};

// How many entries each store loses, and then gains, in one proposal.
struct Ledger::Counts {
  std::map<const Store*, std::size_t> removed, created;

  // Entries that stay.
  std::size_t left(const Store& store) const {
    const auto found = removed.find(&store);
    return store.entries().size() - (found == removed.end() ? 0 : found->second);
  }
};

// One value with all the memory it needs, so that putting it in place cannot fail.
struct Ledger::Staged {
  Target target;
  Written written;
  std::uint64_t seq;
  std::string entry_name;  // of a new entry, as is the next
  std::map<std::string, std::size_t, std::less<>>::node_type place;
};

}  // namespace palinode
