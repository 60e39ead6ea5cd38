// R14: a behavior that was merged is subtracted, once or over and over. (w + d) - d rounds twice,
// so words differ; how far they drift with the cycles depends on the rounding (rbl/merge.h).
#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

class Unmerge : public Rollback {
 public:
  Unmerge(const LowRankDelta& delta, const MergeConfig& config, std::uint64_t cycles)
      : Rollback("R14"), delta_(delta), config_(config), cycles_(cycles) {}

  std::string variant() const override {
    std::string text(storage_name(config_.storage));
    if (config_.rounding == Rounding::kAsPeft) text += "-as-peft";
    return text;
  }
  std::uint64_t bytes_kept() const override { return bytes_of(delta_); }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    for (std::uint64_t cycle = 0; cycle < cycles_; ++cycle) {
      if (cycle > 0) {
        subject.ledger().commit(add_low_rank(theta, delta_, config_));
        count({.flops = flops()});
      }
      subject.ledger().commit(subtract_low_rank(theta, delta_, config_));
      count({.flops = flops()});
    }
  }

 private:
  double flops() const {  // the product, the multiple, the sum
    double flops = 0;
    for (const LowRank& part : delta_) {
      const double elements = static_cast<double>(part.a.shape()[0] * part.b.shape()[1]);
      flops = flops + elements * (2 * static_cast<double>(part.a.shape()[1]) + 2);
    }
    return flops;
  }

  LowRankDelta delta_;
  MergeConfig config_;
  std::uint64_t cycles_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_merged(const LowRankDelta& delta, const MergeConfig& config,
                                          std::uint64_t cycles) {
  return std::make_unique<Unmerge>(delta, config, cycles);
}

}  // namespace palinode::rbl
