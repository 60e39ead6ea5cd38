// R13: not a rollback. A penalty held theta' near theta while it was adapted (rbl/anchor.h), which
// makes D_adapt smaller; what was lost even so stays lost.
#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

class Anchored : public Rollback {
 public:
  explicit Anchored(const Anchor& anchor)
      : Rollback("R13"), bytes_(anchor.bytes()), weighted_(anchor.weighted()) {}
  std::string variant() const override { return weighted_ ? "ewc" : "l2-sp"; }
  std::uint64_t bytes_kept() const override { return bytes_; }

 protected:
  void roll_back(Subject&) override {}

 private:
  std::uint64_t bytes_;
  bool weighted_;
};

}  // namespace

std::unique_ptr<Rollback> anchored(const Anchor& anchor) {
  return std::make_unique<Anchored>(anchor);
}

}  // namespace palinode::rbl
