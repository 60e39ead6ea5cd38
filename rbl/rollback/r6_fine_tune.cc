// R6: theta' is trained on original data again. Keeps no bytes of theta; needs the data and as many
// steps as it is given. Brings the function back in part, and the bits never.
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

// Training that the caller does himself; what it costs is not known here.
class FineTune : public Rollback {
 public:
  explicit FineTune(std::function<void(Ledger&, const Store&)> train)
      : Rollback("R6"), train_(std::move(train)) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override { train_(subject.ledger(), subject.theta()); }

 private:
  std::function<void(Ledger&, const Store&)> train_;
};

class FineTuneCourse : public Rollback {
 public:
  explicit FineTuneCourse(const Course& original) : Rollback("R6"), original_(original) {}
  std::string variant() const override { return fmt::format("{}-steps", original_.steps); }
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    count(run(subject.ledger(), subject.theta(), subject.function(), original_,
              {.state = fmt::format("{}.{}", id(), subject.theta().name())}));
  }

 private:
  Course original_;
};

}  // namespace

std::unique_ptr<Rollback> fine_tune_back(std::function<void(Ledger&, const Store&)> train) {
  return std::make_unique<FineTune>(std::move(train));
}

std::unique_ptr<Rollback> fine_tune_back(const Course& original) {
  return std::make_unique<FineTuneCourse>(original);
}

}  // namespace palinode::rbl
