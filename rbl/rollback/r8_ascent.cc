// R8: the loss of the adaptation is climbed, as gradient ascent does in machine unlearning. Nothing
// says where to stop: it may take the function further away than the adaptation did (RF < 0).
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

class Ascent : public Rollback {
 public:
  explicit Ascent(const Course& adaptation) : Rollback("R8"), adaptation_(adaptation) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    count(run(subject.ledger(), subject.theta(), subject.function(), adaptation_,
              {.state = fmt::format("{}.{}", id(), subject.theta().name()),
               .scale = -1,
               .stop_if_not_finite = true}));
  }

 private:
  Course adaptation_;
};

class OwnAscent : public Rollback {
 public:
  explicit OwnAscent(Training climb) : Rollback("R8"), climb_(std::move(climb)) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    try {
      climb_(subject.ledger(), subject.theta());
    } catch (const NonFiniteError&) {
      // Refused whole: theta is what it was before that step.
    }
  }

 private:
  Training climb_;
};

}  // namespace

std::unique_ptr<Rollback> gradient_ascent(const Course& adaptation) {
  return std::make_unique<Ascent>(adaptation);
}

std::unique_ptr<Rollback> gradient_ascent(Training climb) {
  return std::make_unique<OwnAscent>(std::move(climb));
}

}  // namespace palinode::rbl
