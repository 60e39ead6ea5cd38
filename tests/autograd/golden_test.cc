// Every operation against PyTorch: outputs and gradients of tests/golden/ops.safetensors.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "tests/support/golden.h"

namespace palinode {
namespace {

const SafetensorsFile& file() {
  static const SafetensorsFile kFile = golden::read("ops.safetensors");
  return kFile;
}

// A case that is being computed: its inputs become variables of a tape.
class Trial : public golden::Case {
 public:
  using Case::Case;

  Var in(const std::string& input) {
    const Var variable = tape_.variable(tensor(input));
    inputs_.emplace_back(input, variable);
    return variable;
  }
  Tape& tape() { return tape_; }

  void expect(Var y, double tolerance) const {
    golden::expect_near(y.value(), tensor("y"), tolerance, name());
    const Gradients gradients = tape_.backward(y, tensor("dy"));
    for (const auto& [input, variable] : inputs_) {
      golden::expect_near(gradients.at(variable), tensor("d" + input), tolerance,
                          name() + ", gradient of " + input);
    }
  }

 private:
  Tape tape_;
  std::vector<std::pair<std::string, Var>> inputs_;
};

std::array<std::size_t, 2> pair_of(const Trial& t, std::string_view name) {
  const std::vector<std::size_t> sizes = t.sizes(name);
  return {sizes.at(0), sizes.at(1)};
}

Var conv2d_of(Trial& t) {
  return conv2d(t.in("x"), t.in("weight"), t.in("bias"),
                {pair_of(t, "stride"), pair_of(t, "padding"), pair_of(t, "dilation")});
}

using Build = std::function<Var(Trial&)>;

// How the operation of a golden case is called here, by the case's name.
const std::map<std::string, Build>& builds() {
  static const std::map<std::string, Build> kAll = {
      {"relu", [](Trial& t) { return relu(t.in("x")); }},
      {"tanh", [](Trial& t) { return tanh(t.in("x")); }},
      {"sigmoid", [](Trial& t) { return sigmoid(t.in("x")); }},
      {"gelu", [](Trial& t) { return gelu(t.in("x")); }},
      {"gelu_tanh", [](Trial& t) { return gelu_tanh(t.in("x")); }},
      {"exp", [](Trial& t) { return exp(t.in("x")); }},
      {"log", [](Trial& t) { return log(t.in("x")); }},
      {"sin", [](Trial& t) { return sin(t.in("x")); }},
      {"cos", [](Trial& t) { return cos(t.in("x")); }},
      {"erf", [](Trial& t) { return erf(t.in("x")); }},
      {"rsqrt", [](Trial& t) { return rsqrt(t.in("x")); }},
      {"scale", [](Trial& t) { return scale(t.in("x"), t.number("factor")); }},
      {"sum", [](Trial& t) { return sum(t.in("x")); }},
      {"mean", [](Trial& t) { return mean(t.in("x")); }},
      {"matmul", [](Trial& t) { return matmul(t.in("a"), t.in("b")); }},
      {"linear", [](Trial& t) { return linear(t.in("x"), t.in("weight"), t.in("bias")); }},
      {"transpose", [](Trial& t) { return transpose(t.in("x")); }},
      {"reshape", [](Trial& t) { return reshape(t.in("x"), Shape(t.sizes("shape"))); }},
      {"conv2d", conv2d_of},
      {"softmax", [](Trial& t) { return softmax(t.in("x")); }},
      {"log_softmax", [](Trial& t) { return log_softmax(t.in("x")); }},
      {"layer_norm",
       [](Trial& t) {
         return layer_norm(t.in("x"), t.in("gamma"), t.in("beta"), t.number("eps"));
       }},
      {"rms_norm", [](Trial& t) { return rms_norm(t.in("x"), t.in("gamma"), t.number("eps")); }},
      {"cross_entropy",
       [](Trial& t) {
         return cross_entropy(t.in("logits"), t.tensor("labels"),
                              t.has("weights") ? t.tensor("weights") : Tensor());
       }},
  };
  return kAll;
}

// Golden cases of operations that are not there.
const std::set<std::string> kAbsent = {"add",
                                       "attention",
                                       "avg_pool2d",
                                       "batch_norm_eval",
                                       "batch_norm_train",
                                       "concat",
                                       "div",
                                       "dropout",
                                       "embedding",
                                       "gather",
                                       "kl_div",
                                       "mse",
                                       "grouped_attention",
                                       "masked_fill",
                                       "max_pool2d",
                                       "mul",
                                       "permute",
                                       "rope",
                                       "rope_halves",
                                       "silu",
                                       "slice",
                                       "stack",
                                       "sub"};

TEST(GoldenOps, AreAllConnectedOrNamedAsAbsent) {
  std::set<std::string> connected = kAbsent;
  for (const auto& [name, build] : builds()) {
    EXPECT_TRUE(connected.insert(name).second) << name << " is there and named as absent";
  }
  EXPECT_EQ(golden::prefixes(file(), 1), connected);
}

TEST(GoldenOps, HaveTheValuesAndGradientsOfPyTorch) {
  std::size_t computed = 0;
  for (const std::string& name : golden::prefixes(file(), 2)) {
    const auto build = builds().find(name.substr(0, name.find('/')));
    if (build == builds().end()) continue;
    Trial trial(file(), name);
    trial.expect(build->second(trial), 1e-12);
    ++computed;
  }
  EXPECT_GE(computed, 60U);
}

}  // namespace
}  // namespace palinode
