// R4: the difference theta' - theta is kept with noise, or in fewer bits, and subtracted. With all
// of its bits it is what task arithmetic negates (Ilharco et al., arXiv:2212.04089).
#include <fmt/format.h>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

class Lossy : public Rollback {
 public:
  explicit Lossy(const LossyDelta& config) : Rollback("R4"), config_(config) {}

  std::string variant() const override {
    const std::string_view storage = storage_name(config_.storage);
    if (config_.noise == 0) return std::string(storage);
    return fmt::format("{}-noise-{:g}", storage, config_.noise);
  }

  void before(const Store& theta) override { origin_ = values_of(theta); }

  void after(const Store& theta) override {
    kept_.clear();
    const Values delta = zip(values_of(theta), origin_, kMinus);
    for (std::size_t i = 0; i < delta.size(); ++i) {
      kept_.emplace_back(disturbed(delta[i], theta.entries()[i].name), config_.storage);
    }
    origin_.clear();
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const Packed& packed : kept_) bytes += packed.bytes();
    return bytes;
  }

 protected:
  void roll_back(Subject& subject) override {
    Values delta;
    for (const Packed& packed : kept_) delta.push_back(packed.unpack());
    const Values back = zip(values_of(subject.theta()), delta, kMinus);
    subject.ledger().commit(replace(subject.theta(), back, Reason::kSubtract, "lossy-delta"));
    count({.flops = static_cast<double>(subject.theta().elements())});
  }

 private:
  Tensor disturbed(const Tensor& delta, std::string_view name) const {
    if (config_.noise == 0) return delta;
    const Tensor z = config_.rng.stream(name).normal(delta.shape(), delta.dtype());
    return zip(delta, z, [this](auto d, auto draw) {
      using T = decltype(d);
      return d * (T{1} + static_cast<T>(config_.noise) * draw);
    });
  }

  LossyDelta config_;
  Values origin_;
  std::vector<Packed> kept_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_lossy_delta(const LossyDelta& config) {
  return std::make_unique<Lossy>(config);
}

}  // namespace palinode::rbl
