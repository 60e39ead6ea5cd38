#include "experiments/studies/self_test.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <vector>

namespace palinode::experiments {
namespace {

constexpr double kHalfLn4Thirds = 0x1.269621134db92p-3;  // ln(4/3) / 2
constexpr double kOtherWay = 0x1.0be72e4252a83p-3;       // 3/4 ln 3 - ln 2
constexpr double kTolerance = 1e-15;

bool near(double x, double want) { return std::abs(x - want) <= kTolerance; }

// ln of probabilities that are powers of two or three quarters, whose logarithms are known.
constexpr double kLnHalf = -rbl::kLn2, kLnQuarter = -2 * rbl::kLn2;
constexpr double kLnThreeQuarters = -0x1.269621134db92p-2;

Tensor table(std::initializer_list<double> values) {
  const std::vector<double> all(values);
  return Tensor::from<double>(all, {all.size() / 2, 2});
}

std::string divergence_fault(const Instruments& with) {
  const Tensor even = table({kLnHalf, kLnHalf});
  const Tensor skew = table({kLnQuarter, kLnThreeQuarters});
  const double kl = with.kl(even, skew).mean, other = with.kl(skew, even).mean;
  if (near(kl, kOtherWay) && near(other, kHalfLn4Thirds)) return "KL is taken the wrong way round";
  if (near(kl, -kHalfLn4Thirds)) return "KL has the wrong sign";
  if (!near(kl, kHalfLn4Thirds) || !near(other, kOtherWay)) {
    return fmt::format("KL((1/2, 1/2) || (1/4, 3/4)) is {}, not {} nats", kl, kHalfLn4Thirds);
  }
  // So far apart that the other class has no probability left in f64.
  const Tensor first = with.log_p(Tensor::from<double>(std::vector<double>{800, 0}, {1, 2}));
  const Tensor second = with.log_p(Tensor::from<double>(std::vector<double>{0, 800}, {1, 2}));
  const double js = with.js(first, second).mean;
  if (!near(js, rbl::kLn2)) {
    return fmt::format("JS of disjoint distributions is {}, not ln 2 = {} nats", js, rbl::kLn2);
  }
  // Two inputs that depart in opposite directions: their mean distributions are equal.
  const Tensor both = table({kLnHalf, kLnHalf, kLnHalf, kLnHalf});
  const Tensor opposite = table({kLnQuarter, kLnThreeQuarters, kLnThreeQuarters, kLnQuarter});
  const double mean = with.kl(both, opposite).mean;
  if (!near(mean, kHalfLn4Thirds)) {
    return fmt::format("KL over two inputs is {}, not the mean {} of both", mean, kHalfLn4Thirds);
  }
  if (with.kl(skew, skew).mean != 0 || with.js(skew, skew).mean != 0) {
    return "a distribution is not at distance 0 from itself";
  }
  return "";
}

std::string recoverability_fault(const Instruments& with) {
  using State = rbl::Recoverability::State;
  if (with.rf(0, 0).state != State::kUndefined) return "RF has a value where nothing was lost";
  const std::array<std::array<double, 3>, 3> known = {{{1, 0, 1}, {1, 0.25, 0.75}, {1, 2, -1}}};
  for (const auto& [adapt, rec, want] : known) {
    const rbl::Recoverability rf = with.rf(adapt, rec);
    if (rf.state != State::kValue || rf.value != want) {
      return fmt::format("RF of {} lost and {} left is not {}", adapt, rec, want);
    }
  }
  return "";
}

std::string seed_fault(const Instruments& with) {
  for (std::uint64_t i = 0; i < 64; ++i) {
    const double draw = with.normal(1, "noise", i);
    if (draw == with.normal(2, "noise", i)) return "two seeds share their draws";
    if (draw == with.normal(1, "init", i)) return "two purposes of a seed share their draws";
    if (draw != with.normal(1, "noise", i)) return "a draw is not the same again";
  }
  return "";
}

}  // namespace

std::string instrument_fault(const Instruments& instruments) {
  for (const auto check : {divergence_fault, recoverability_fault, seed_fault}) {
    const std::string fault = check(instruments);
    if (!fault.empty()) return fault;
  }
  return "";
}

}  // namespace palinode::experiments
