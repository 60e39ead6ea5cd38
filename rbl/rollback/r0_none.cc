// R0: nothing is undone. RF is 0 by definition; this is what the paper calls the reset of mutated
// weights.
#include "rbl/rollback.h"

namespace palinode::rbl {
namespace {

class None : public Rollback {
 public:
  None() : Rollback("R0") {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject&) override {}
};

}  // namespace

std::unique_ptr<Rollback> no_rollback() { return std::make_unique<None>(); }

}  // namespace palinode::rbl
