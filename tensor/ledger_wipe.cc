// Values that are to be gone: removed through commit, and zeros over the memory that held them.
#include "tensor/ledger.h"
#include "tensor/wipe.h"

namespace palinode {

const Entry* Ledger::held(const Store& store) {
  for (const Entry& entry : store.entries_) {
    if (entry.value.data_.use_count() > 1) return &entry;
  }
  return nullptr;
}

Ledger::Wiped Ledger::wipe(const Store& store) {
  mine(&store);
  Wiped wiped{.entries = store.entries().size(), .bytes = store.bytes()};
  if (wiped.entries == 0) return wiped;
  Proposal proposal{.reason = Reason::kDestroy, .proposer = "wipe"};
  for (std::size_t i = wiped.entries; i > 0; --i) {
    const Entry& entry = store.entries()[i - 1];
    wiped.held += entry.value.data_.use_count() > 1 ? 1 : 0;
    proposal.removals.push_back({&store, entry.name});
  }
  // commit lets go of the values in this thread.
  const WipeReleased wiping;
  commit(proposal);
  return wiped;
}

}  // namespace palinode
