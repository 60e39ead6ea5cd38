// Ledger::freeze: the values move to pages that nobody writes to, are digested there, and only
// then take the place of the old ones.
#include <fmt/format.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"

namespace palinode {

Ledger::Pages Ledger::read_only(const Store& store, Guard strongest) {
  std::vector<std::span<const std::byte>> parts;
  for (const Entry& entry : store.entries_) {
    PALINODE_ASSERT(entry.value.contiguous());
    parts.emplace_back(entry.value.data_.get(), entry.value.bytes());
  }
  const auto arena = std::make_shared<const Arena>(parts, strongest);
  Pages pages{store.entries_, arena->guard()};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Tensor& value = pages.entries[i].value;
    value = Tensor(std::shared_ptr<const std::byte>(arena, arena->part(i)), value.shape(),
                   value.dtype());
  }
  return pages;
}

void Ledger::protect(Store& store, const Pages& pages, std::uint64_t since) {
  PALINODE_ASSERT(pages.entries.size() == store.entries_.size());
  for (std::size_t i = 0; i < pages.entries.size(); ++i) {
    store.entries_[i].value = pages.entries[i].value;
  }
  store.guard_ = pages.guard;
  store.frozen_since_ = since;
}

Sha256Digest Ledger::freeze(const Store& store, Guard strongest) {
  Store& target = mine(&store);
  if (store.frozen()) return fingerprint(store);
  const Pages pages = read_only(store, strongest);
  const Sha256Digest print = fingerprint(pages.entries);
  const std::uint64_t seq = sequence_;
  std::string body =
      fmt::format(R"({{"seq":{},"freeze":"{}","fingerprint":"{}")", seq, store.name(), hex(print));
  if (level_ == Level::kJournal) body += fmt::format(R"(,"role":"{}")", role_name(store.role()));
  append(body);
  ++sequence_;
  protect(target, pages, seq);
  return print;
}

}  // namespace palinode
