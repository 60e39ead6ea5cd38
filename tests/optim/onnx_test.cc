// The rules of the optimizers against the node tests of ONNX (tests/support/onnx.h): test_adam,
// test_adam_multiple, test_momentum, test_momentum_multiple, test_nesterov_momentum. All are first
// steps (T = 0), for which ONNX corrects nothing for the start; Adagrad is no rule of ours.
#include <cmath>
#include <string>
#include <vector>

#include "tensor/ledger.h"
#include "tests/support/golden.h"
#include "tests/support/onnx.h"

namespace palinode::optim {
namespace {

using onnx::NodeTest;

void expect_close(const Tensor& got, const Tensor& want, const std::string& name) {
  ASSERT_EQ(got.shape(), want.shape()) << name;
  for (std::size_t i = 0; i < got.elements(); ++i) {
    const double w = want.values<float>()[i];
    EXPECT_NEAR(got.values<float>()[i], w, 1e-7 + 1e-6 * std::abs(w)) << name << ", element " << i;
  }
}

// The values of test_adam_multiple were computed with this epsilon, which its model does not say.
constexpr double kEpsilon = 1e-2;

// The gradient with norm_coefficient * X added, as ONNX regularizes.
Tensor regularized(const NodeTest& t, const Tensor& x, const Tensor& g) {
  const auto by = static_cast<float>(t.number("norm_coefficient", 0));
  std::vector<float> values;
  for (std::size_t i = 0; i < x.elements(); ++i) {
    values.push_back(by * x.values<float>()[i] + g.values<float>()[i]);
  }
  return Tensor::from<float>(values, x.shape());
}

// Inputs are R, T, then for each kind of value (X, G, moments) all n tensors; outputs likewise.
void expect_step(const std::string& name, const Rule& rule, const NodeTest& t,
                 const std::vector<std::string>& slots) {
  const std::size_t n = (t.operands.size() - 2) / (2 + slots.size());
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  Proposal start{.proposer = "test"}, step{.proposer = "test"};
  for (std::size_t i = 0; i < n; ++i) {
    const Tensor &x = t.at(2 + i), &g = t.at(2 + n + i);
    start.writes.push_back({&theta, std::to_string(i), x, true});
    Step one{.store = &theta, .entry = i, .gradient = regularized(t, x, g), .state = &state};
    for (std::size_t k = 0; k < slots.size(); ++k) {
      const std::string moment = slots[k] + "/" + std::to_string(i);
      start.writes.push_back({&state, moment, t.at(2 + (2 + k) * n + i), true});
      one.moments.push_back(moment);
    }
    one.rule = rule;
    step.steps.push_back(one);
  }
  ledger.commit(start);
  ledger.commit(step);
  for (std::size_t i = 0; i < n; ++i) {
    expect_close(theta.at(std::to_string(i)), t.out[i], name + ", weight");
    for (std::size_t k = 0; k < slots.size(); ++k) {
      expect_close(state.at(slots[k] + "/" + std::to_string(i)), t.out[(1 + k) * n + i],
                   name + ", " + slots[k]);
    }
  }
}

TEST(Onnx, AdamPassesItsNodeTests) {
  if (onnx::node_tests().empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  for (const std::string name : {"test_adam", "test_adam_multiple"}) {
    const NodeTest t = onnx::read_node_test(name);
    ASSERT_EQ(t.at(1).item(), 0) << "T";
    const AdamRule rule = {.beta1 = t.number("alpha", 0.9),
                           .beta2 = t.number("beta", 0.999),
                           .a = t.at(0).item(),
                           .r = 1,
                           .eps = t.number("epsilon", kEpsilon)};
    ASSERT_EQ(t.number("norm_coefficient_post", 0), 0);
    expect_step(name, rule, t, {"m", "v"});
  }
}

TEST(Onnx, MomentumPassesItsNodeTests) {
  if (onnx::node_tests().empty()) GTEST_SKIP() << "libonnx-testdata is not installed";
  for (const std::string name :
       {"test_momentum", "test_momentum_multiple", "test_nesterov_momentum"}) {
    const NodeTest t = onnx::read_node_test(name);
    ASSERT_EQ(t.at(1).item(), 0) << "T";
    const SgdRule rule = {.lr = t.at(0).item(),
                          .momentum = t.number("alpha", 0),
                          .nesterov = t.text("mode", "") == "nesterov"};
    expect_step(name, rule, t, {"v"});
  }
}

}  // namespace
}  // namespace palinode::optim
