// R3: the difference theta' - theta, rounded to the weights' type, is kept and subtracted. Not
// exact: both the difference and the subtraction round, so (theta + d) - d often misses theta by a
// last bit.
#include "rbl/rollback.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

class Delta : public Rollback {
 public:
  Delta() : Rollback("R3") {}
  void before(const Store& theta) override { kept_ = values_of(theta); }
  // From here only the difference is kept, not theta.
  void after(const Store& theta) override { kept_ = zip(values_of(theta), kept_, kMinus); }
  std::uint64_t bytes_kept() const override { return bytes_of(kept_); }

 protected:
  void roll_back(Subject& subject) override {
    const Values back = zip(values_of(subject.theta()), kept_, kMinus);
    subject.ledger().commit(replace(subject.theta(), back, Reason::kSubtract, "delta"));
    count({.flops = static_cast<double>(subject.theta().elements())});
  }

 private:
  Values kept_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_delta() { return std::make_unique<Delta>(); }

}  // namespace palinode::rbl
