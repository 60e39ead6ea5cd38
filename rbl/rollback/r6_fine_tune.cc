// R6: theta' is trained on original data again. Keeps no bytes of theta; needs the data and as many
// steps as it is given. Brings the function back in part, and the bits never.
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

class FineTune : public Rollback {
 public:
  FineTune(Training train, std::string variant)
      : Rollback("R6"), train_(std::move(train)), variant_(std::move(variant)) {}
  std::string variant() const override { return variant_; }
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override { train_(subject.ledger(), subject.theta()); }

 private:
  Training train_;
  std::string variant_;
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

std::unique_ptr<Rollback> fine_tune_back(Training train, std::string variant) {
  return std::make_unique<FineTune>(std::move(train), std::move(variant));
}

std::unique_ptr<Rollback> fine_tune_back(const Course& original) {
  return std::make_unique<FineTuneCourse>(original);
}

}  // namespace palinode::rbl
