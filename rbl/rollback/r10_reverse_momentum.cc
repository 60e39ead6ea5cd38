// R10: descent with momentum played backwards, from the final velocity. By algebra each step is
// exact: w = w' + lr v', then v = (v' - g(w)) / mu. In floating point the division makes an error
// of v grow by 1 / mu each step, which ends it after some hundred steps (Maclaurin, Duvenaud,
// Adams, arXiv:1502.03492, section 3); with the lost bits, r10_r11_exact.cc, there is no error.
#include "rbl/rollback/arms.h"
#include "rbl/rollback/moments.h"

namespace palinode::rbl {
namespace {

class ReverseMomentum : public Rollback {
 public:
  ReverseMomentum(const Replay& replay, double momentum)
      : Rollback("R10"), replay_(replay), momentum_(momentum) {}
  void after_optimizer(const Store& state) override { velocity_.keep(state, replay_.steps); }
  std::uint64_t bytes_kept() const override { return velocity_.bytes(); }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    Values v = velocity_.of("v", theta);
    for (std::uint64_t t = replay_.steps; t-- > 0;) {
      const double lr = replay_.lr.at(t);
      const Values w = zip(values_of(theta), v,
                           [lr](auto x, auto y) { return x + static_cast<decltype(x)>(lr) * y; });
      if (!all_finite(w)) return;
      subject.ledger().commit(replace(theta, w, Reason::kRestore, "reverse-momentum"));
      const Pass now = pass(subject.function(), replay_.loss, t);
      count(now.work);
      count({.flops = 4 * static_cast<double>(theta.elements())});
      v = zip(v, gradients_of(now.gradients, theta),
              [mu = momentum_](auto x, auto g) { return (x - g) / static_cast<decltype(x)>(mu); });
    }
  }

 private:
  Replay replay_;
  double momentum_;
  Moments velocity_{{"v"}};
};

}  // namespace

std::unique_ptr<Rollback> reverse_momentum(const Replay& replay, double momentum) {
  return std::make_unique<ReverseMomentum>(replay, momentum);
}

}  // namespace palinode::rbl
