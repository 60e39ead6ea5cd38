// Values that are to be gone: zeros through commit, and zeros over the memory that held them.
#include <fmt/format.h>

#include "tensor/error.h"
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
  Store& target = mine(&store);
  if (level_ > Level::kDigest) {
    throw Error(
        fmt::format("wipe: the ledger's level is {}: its records would keep the values of {}",
                    level_name(level_), store.name()));
  }
  Wiped wiped{.entries = store.entries().size(), .bytes = store.bytes()};
  if (wiped.entries == 0) return wiped;
  Proposal zeros{.reason = Reason::kDestroy, .proposer = "wipe"};
  for (const Entry& entry : store.entries()) {
    wiped.held += entry.value.data_.use_count() > 1 ? 1 : 0;
    zeros.writes.push_back(
        {&store, entry.name, Tensor::zeros(entry.value.shape(), entry.value.dtype())});
  }
  // commit and clear let go of the old values' memory in this thread.
  const WipeReleased wiping;
  commit(zeros);
  append(fmt::format(R"({{"seq":{},"wipe":"{}","entries":{})", sequence_, store.name(),
                     wiped.entries));
  ++sequence_;
  target.entries_.clear();
  target.places_.clear();
  return wiped;
}

}  // namespace palinode
