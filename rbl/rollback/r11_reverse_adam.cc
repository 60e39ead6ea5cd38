// R11: Adam played backwards, from its final moments. By algebra each step is exact:
//   w = w' + a m' / (sqrt(v') r + eps);  m = (m' - (1 - b1) g(w)) / b1;
//   v = (v' - (1 - b2) g(w)^2) / b2
// In floating point errors of m grow by 1 / b1 each step, and v, a small difference, may come out
// below zero, where it is taken as 0. With the lost bits, r10_r11_exact.cc, there is no error.
#include <cmath>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/moments.h"
#include "tensor/kernels/update.h"

namespace palinode::rbl {
namespace {

class ReverseAdam : public Rollback {
 public:
  ReverseAdam(const Replay& replay, const optim::AdamConfig& config)
      : Rollback("R11"), replay_(replay), config_(config) {}
  void after_optimizer(const Store& state) override { moments_.keep(state, replay_.steps); }
  std::uint64_t bytes_kept() const override { return moments_.bytes(); }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    Values m = moments_.of("m", theta), v = moments_.of("v", theta);
    for (std::uint64_t t = replay_.steps; t-- > 0;) {
      const Values w = zip(values_of(theta), moved(t, m, v), [](auto x, auto y) { return x + y; });
      if (!all_finite(w)) return;
      subject.ledger().commit(replace(theta, w, Reason::kRestore, "reverse-adam"));
      const Pass now = pass(subject.function(), replay_.loss, t);
      count(now.work);
      count({.flops = 12 * static_cast<double>(theta.elements())});
      const Values g = gradients_of(now.gradients, theta);
      m = zip(m, g, [b = config_.beta1](auto x, auto y) {
        using T = decltype(x);
        return (x - static_cast<T>(1.0 - b) * y) / static_cast<T>(b);
      });
      v = zip(v, g, [b = config_.beta2](auto x, auto y) {
        using T = decltype(x);
        const T before = (x - (static_cast<T>(1.0 - b) * y) * y) / static_cast<T>(b);
        return before < 0 ? T{0} : before;
      });
    }
  }

 private:
  // What step t, the first is 0, took off the weights.
  Values moved(std::uint64_t t, const Values& m, const Values& v) const {
    const double a = replay_.lr.at(t) / (1.0 - kernels::power(config_.beta1, t + 1));
    const double r = 1.0 / std::sqrt(1.0 - kernels::power(config_.beta2, t + 1));
    return zip(m, v, [a, r, eps = config_.eps](auto x, auto y) {
      using T = decltype(x);
      return static_cast<T>(a) * (x / (std::sqrt(y) * static_cast<T>(r) + static_cast<T>(eps)));
    });
  }

  Replay replay_;
  optim::AdamConfig config_;
  Moments moments_{{"m", "v"}};
};

}  // namespace

std::unique_ptr<Rollback> reverse_adam(const Replay& replay, const optim::AdamConfig& config) {
  return std::make_unique<ReverseAdam>(replay, config);
}

}  // namespace palinode::rbl
