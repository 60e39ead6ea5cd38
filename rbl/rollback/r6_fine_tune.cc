// R6: theta' is trained on original data again. Keeps no bytes of theta; needs the data and as many
// steps as it is given. Brings the function back in part, and the bits never.
#include <utility>

#include "rbl/rollback.h"

namespace palinode::rbl {
namespace {

class FineTune : public Rollback {
 public:
  explicit FineTune(std::function<void(Ledger&, const Store&)> train) : train_(std::move(train)) {}
  std::string_view id() const override { return "R6"; }
  void undo(Subject& subject) override { train_(subject.ledger(), subject.theta()); }
  std::uint64_t bytes_kept() const override { return 0; }

 private:
  std::function<void(Ledger&, const Store&)> train_;
};

}  // namespace

std::unique_ptr<Rollback> fine_tune_back(std::function<void(Ledger&, const Store&)> train) {
  return std::make_unique<FineTune>(std::move(train));
}

}  // namespace palinode::rbl
