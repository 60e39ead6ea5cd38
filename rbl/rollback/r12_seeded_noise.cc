// R12: noise from a known seed is regenerated and subtracted. Keeps 8 bytes. The function comes
// back to within rounding; some words differ by a last bit. MeZO restores its weights so at every
// step (Malladi et al., arXiv:2305.17333, algorithm 1).
#include "rbl/mutate.h"
#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

class SeededNoise : public Rollback {
 public:
  SeededNoise(double alpha, const Rng& rng, Storage storage)
      : Rollback("R12"), alpha_(alpha), rng_(rng), storage_(storage) {}

  std::string variant() const override {
    return storage_ == Storage::kFull ? "" : std::string(storage_name(storage_));
  }
  std::uint64_t bytes_kept() const override { return sizeof(std::uint64_t); }

 protected:
  void roll_back(Subject& subject) override {
    subject.ledger().commit(subtract_noise(subject.theta(), alpha_, rng_, storage_));
    count({.flops = 2 * static_cast<double>(subject.theta().elements())});
  }

 private:
  double alpha_;
  Rng rng_;
  Storage storage_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng) {
  return subtract_seeded_noise(alpha, rng, Storage::kFull);
}

std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng, Storage storage) {
  return std::make_unique<SeededNoise>(alpha, rng, storage);
}

}  // namespace palinode::rbl
