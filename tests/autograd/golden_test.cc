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

Var rope_of(Trial& t) {
  const RopeConfig config = {.time = t.size("time"),
                             .heads = t.size("heads"),
                             .offset = t.size("offset"),
                             .interleaved = t.size("interleaved") != 0};
  const Tensor table =
      rope_table(config.offset + config.time, t.size("head_dim"), t.number("base"));
  return rope(t.in("x"), table, config);
}

Var conv2d_of(Trial& t) {
  return conv2d(t.in("x"), t.in("weight"), t.in("bias"),
                {pair_of(t, "stride"), pair_of(t, "padding"), pair_of(t, "dilation")});
}

PoolSteps pool_steps(const Trial& t) {
  return {pair_of(t, "kernel"), pair_of(t, "stride"), pair_of(t, "padding")};
}

BatchStatistics statistics_of(const Trial& t) {
  return {t.tensor("mean"), t.tensor("variance"), 1};
}

AttentionConfig attention_config(const Trial& t) {
  return {.batch = t.size("batch"),
          .heads = t.size("heads"),
          .kv_heads = t.size("kv_heads"),
          .causal = t.size("causal") != 0};
}

using Build = std::function<Var(Trial&)>;

// How the operation of a golden case is called here, by the case's name.
const std::map<std::string, Build>& builds() {
  static const std::map<std::string, Build> kAll = {
      {"add", [](Trial& t) { return add(t.in("a"), t.in("b")); }},
      {"sub", [](Trial& t) { return sub(t.in("a"), t.in("b")); }},
      {"mul", [](Trial& t) { return mul(t.in("a"), t.in("b")); }},
      {"div", [](Trial& t) { return div(t.in("a"), t.in("b")); }},
      {"minimum", [](Trial& t) { return minimum(t.in("a"), t.in("b")); }},
      {"maximum", [](Trial& t) { return maximum(t.in("a"), t.in("b")); }},
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
      {"max_pool2d", [](Trial& t) { return max_pool2d(t.in("x"), pool_steps(t)); }},
      {"avg_pool2d", [](Trial& t) { return avg_pool2d(t.in("x"), pool_steps(t)); }},
      {"embedding", [](Trial& t) { return embedding(t.in("table"), t.tensor("indices")); }},
      {"batch_norm_train",
       [](Trial& t) {
         return batch_norm(t.in("x"), t.in("gamma"), t.in("beta"), t.number("eps")).y;
       }},
      {"batch_norm_eval",
       [](Trial& t) {
         return batch_norm(t.in("x"), t.in("gamma"), t.in("beta"), statistics_of(t),
                           t.number("eps"));
       }},
      {"attention",
       [](Trial& t) { return attention(t.in("q"), t.in("k"), t.in("v"), attention_config(t)); }},
      {"packed_attention", [](Trial& t) { return attention(t.in("qkv"), attention_config(t)); }},
      {"rope", rope_of},
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
const std::set<std::string> kAbsent = {"concat",  "gather", "kl_div", "masked_fill", "mse",
                                       "permute", "silu",   "slice",  "stack"};

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
