// R5: nothing of theta is known, so its difference is estimated from f_adapt alone: the adaptation
// runs once more, from theta' and with a fresh optimizer, and what that moved is subtracted from
// theta'. Right to the extent that the second adaptation repeats the first; a task that is learned
// already moves little.
#include <fmt/format.h>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

class Estimated : public Rollback {
 public:
  explicit Estimated(const Course& adaptation) : Rollback("R5"), adaptation_(adaptation) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    const Values adapted = values_of(theta);
    count(run(subject.ledger(), theta, subject.function(), adaptation_,
              {.state = fmt::format("{}.{}", id(), theta.name()), .stop_if_not_finite = true}));
    const Values moved = zip(values_of(theta), adapted, kMinus);
    subject.ledger().commit(
        replace(theta, zip(adapted, moved, kMinus), Reason::kSubtract, "estimated-delta"));
    count({.flops = 2 * static_cast<double>(theta.elements())});
  }

 private:
  Course adaptation_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_estimated_delta(const Course& adaptation) {
  return std::make_unique<Estimated>(adaptation);
}

}  // namespace palinode::rbl
