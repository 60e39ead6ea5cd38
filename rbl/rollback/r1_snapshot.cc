// R1: a full copy of theta is kept and put back. Exact, at the price of theta's size.
#include "rbl/rollback.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

class Snapshot : public Rollback {
 public:
  Snapshot() : Rollback("R1") {}
  void before(const Store& theta) override { kept_ = values_of(theta); }
  std::uint64_t bytes_kept() const override { return bytes_of(kept_); }

 protected:
  void roll_back(Subject& subject) override {
    subject.ledger().commit(replace(subject.theta(), kept_, Reason::kRestore, "snapshot"));
  }

 private:
  Values kept_;
};

}  // namespace

std::unique_ptr<Rollback> snapshot() { return std::make_unique<Snapshot>(); }

}  // namespace palinode::rbl
