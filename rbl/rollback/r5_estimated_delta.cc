// R5: nothing of theta is known, so its difference is estimated from f_adapt alone: the adaptation
// runs once more, from theta' and with a fresh optimizer, and what that moved is subtracted from
// theta'. Right to the extent that the second adaptation repeats the first; a task that is learned
// already moves little.
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

using Adaptation = std::function<Work(const Subject& subject)>;

class Estimated : public Rollback {
 public:
  explicit Estimated(Adaptation adaptation) : Rollback("R5"), adaptation_(std::move(adaptation)) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    const Values adapted = values_of(theta);
    count(adaptation_(subject));
    const Values moved = zip(values_of(theta), adapted, kMinus);
    subject.ledger().commit(
        replace(theta, zip(adapted, moved, kMinus), Reason::kSubtract, "estimated-delta"));
    count({.flops = 2 * static_cast<double>(theta.elements())});
  }

 private:
  Adaptation adaptation_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_estimated_delta(const Course& adaptation) {
  return std::make_unique<Estimated>([adaptation](const Subject& subject) {
    return run(subject.ledger(), subject.theta(), subject.function(), adaptation,
               {.state = fmt::format("R5.{}", subject.theta().name()), .stop_if_not_finite = true});
  });
}

std::unique_ptr<Rollback> subtract_estimated_delta(Training adaptation) {
  return std::make_unique<Estimated>([train = std::move(adaptation)](const Subject& subject) {
    train(subject.ledger(), subject.theta());
    return Work{};
  });
}

}  // namespace palinode::rbl
