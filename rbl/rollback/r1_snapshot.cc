// R1: a full copy of theta is kept and put back. Exact, at the price of theta's size.
#include <vector>

#include "rbl/rollback.h"

namespace palinode::rbl {
namespace {

class Snapshot : public Rollback {
 public:
  std::string_view id() const override { return "R1"; }

  void before(const Store& theta) override {
    kept_.assign(theta.entries().begin(), theta.entries().end());
  }

  void undo(Subject& subject) override {
    Proposal proposal{.reason = Reason::kRestore, .proposer = "snapshot"};
    for (const Entry& entry : kept_) {
      proposal.writes.push_back({&subject.theta(), entry.name, entry.value});
    }
    subject.ledger().commit(proposal);
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const Entry& entry : kept_) bytes += entry.value.bytes();
    return bytes;
  }

 private:
  std::vector<Entry> kept_;  // tensors are immutable, so a handle is a copy
};

}  // namespace

std::unique_ptr<Rollback> snapshot() { return std::make_unique<Snapshot>(); }

}  // namespace palinode::rbl
