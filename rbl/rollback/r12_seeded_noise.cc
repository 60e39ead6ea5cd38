// R12: noise from a known seed is regenerated and subtracted. Keeps 8 bytes. The function comes
// back to within rounding; some words differ by a last bit.
#include <utility>

#include "rbl/mutate.h"
#include "rbl/rollback.h"

namespace palinode::rbl {
namespace {

class SeededNoise : public Rollback {
 public:
  SeededNoise(double alpha, Rng rng) : alpha_(alpha), rng_(std::move(rng)) {}
  std::string_view id() const override { return "R12"; }
  void undo(Subject& subject) override {
    subject.ledger().commit(subtract_noise(subject.theta(), alpha_, rng_));
  }
  std::uint64_t bytes_kept() const override { return sizeof(std::uint64_t); }

 private:
  double alpha_;
  Rng rng_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng) {
  return std::make_unique<SeededNoise>(alpha, rng);
}

}  // namespace palinode::rbl
