// R17: phi is detached. Theta was never written, so there is nothing to bring back.
#include "rbl/rollback.h"

namespace palinode::rbl {
namespace {

class Unload : public Rollback {
 public:
  Unload() : Rollback("R17") {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override { subject.unload(); }
};

}  // namespace

std::unique_ptr<Rollback> unload() { return std::make_unique<Unload>(); }

}  // namespace palinode::rbl
