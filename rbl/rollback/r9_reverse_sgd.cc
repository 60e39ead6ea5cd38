// R9: gradient descent played backwards. A step w' = w - lr g(w) leaves no state, so its start is
// the solution of w = w' + lr g(w), sought as a fixed point from w'. The map contracts while lr
// times the curvature is below 1; what is left of an error grows with every further step.
#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {
namespace {

class ReverseSgd : public Rollback {
 public:
  ReverseSgd(const Replay& replay, std::uint64_t iterations)
      : Rollback("R9"), replay_(replay), iterations_(iterations) {}
  std::uint64_t bytes_kept() const override { return 0; }

 protected:
  void roll_back(Subject& subject) override {
    for (std::uint64_t t = replay_.steps; t-- > 0;) {
      if (!step_back(subject, t)) return;
    }
  }

 private:
  // False, with theta as it was before, where a value would not be finite.
  bool step_back(Subject& subject, std::uint64_t t) {
    const Store& theta = subject.theta();
    const double lr = replay_.lr.at(t);
    const Values end = values_of(theta);
    const auto put = [&](const Values& values) {
      subject.ledger().commit(replace(theta, values, Reason::kRestore, "reverse-sgd"));
    };
    for (std::uint64_t k = 0; k < iterations_; ++k) {
      const Pass now = pass(subject.function(), replay_.loss, t);
      count(now.work);
      const Values guess = zip(end, gradients_of(now.gradients, theta), [lr](auto w, auto g) {
        return w + static_cast<decltype(w)>(lr) * g;
      });
      count({.flops = 2 * static_cast<double>(theta.elements())});
      if (!all_finite(guess)) {
        put(end);
        return false;
      }
      if (same_bits(guess, values_of(theta))) break;
      put(guess);
    }
    return true;
  }

  Replay replay_;
  std::uint64_t iterations_;
};

}  // namespace

std::unique_ptr<Rollback> reverse_sgd(const Replay& replay, std::uint64_t iterations) {
  return std::make_unique<ReverseSgd>(replay, iterations);
}

}  // namespace palinode::rbl
