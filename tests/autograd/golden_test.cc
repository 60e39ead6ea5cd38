// Every operation against PyTorch: outputs and gradients of tests/golden/ops.safetensors.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/losses.h"
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

PoolSteps pool_steps(const Trial& t) {
  return {pair_of(t, "kernel"), pair_of(t, "stride"), pair_of(t, "padding")};
}

Var binary(Trial& t, Var (*op)(Var, Var)) {
  const Var a = t.in("a");
  const Var b = t.in("b");
  return op(a, b);
}

Var batch_norm_train(Trial& t) {
  const Var x = t.in("x");
  const Var gamma = t.in("gamma");
  return batch_norm(x, gamma, t.in("beta"), t.number("eps")).y;
}

Var batch_norm_eval(Trial& t) {
  const Var x = t.in("x");
  const Var gamma = t.in("gamma");
  const BatchStatistics given = {t.tensor("mean"), t.tensor("variance")};
  return batch_norm(x, gamma, t.in("beta"), given, t.number("eps"));
}

Var gather_of(Trial& t) {
  const Tensor& indices = t.tensor("indices");
  const std::size_t rows = indices.elements();
  return reshape(gather(t.in("x"), 1, indices.reshape({rows, 1})), {rows});
}

Var permute_of(Trial& t) {
  const std::vector<std::size_t> axes = t.sizes("axes");
  return permute(t.in("x"), {axes.at(0), axes.at(1), axes.at(2), axes.at(3)});
}

Var kl_div_of(Trial& t) {
  const Var log_p = log_softmax(t.in("p"));
  const Var log_q = log_softmax(t.in("q"));
  return kl_div(log_p, log_q);
}

Var mse_of(Trial& t) {
  const Var x = t.in("x");
  return mse(x, t.in("target"));
}

AttentionConfig attention_config(const Trial& t) {
  return {.batch = t.size("batch"),
          .heads = t.size("heads"),
          .kv_heads = t.size("kv_heads"),
          .causal = t.size("causal") != 0};
}

Var attention_of(Trial& t) {
  return attention(t.in("q"), t.in("k"), t.in("v"), attention_config(t));
}

Var concat_of(Trial& t) {
  const Var a = t.in("a");
  return concat({a, t.in("b")}, static_cast<int>(t.number("axis")));
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
      {"max_pool2d", [](Trial& t) { return max_pool2d(t.in("x"), pool_steps(t)); }},
      {"avg_pool2d", [](Trial& t) { return avg_pool2d(t.in("x"), pool_steps(t)); }},
      {"batch_norm_train", batch_norm_train},
      {"batch_norm_eval", batch_norm_eval},
      {"add", [](Trial& t) { return binary(t, add); }},
      {"sub", [](Trial& t) { return binary(t, sub); }},
      {"mul", [](Trial& t) { return binary(t, mul); }},
      {"div", [](Trial& t) { return binary(t, div); }},
      {"minimum", [](Trial& t) { return binary(t, minimum); }},
      {"maximum", [](Trial& t) { return binary(t, maximum); }},
      {"attention", attention_of},
      {"packed_attention", [](Trial& t) { return attention(t.in("qkv"), attention_config(t)); }},
      {"rope", rope_of},
      {"silu", [](Trial& t) { return silu(t.in("x")); }},
      {"embedding", [](Trial& t) { return embedding(t.in("table"), t.tensor("indices")); }},
      {"gather", gather_of},
      {"masked_fill",
       [](Trial& t) { return masked_fill(t.in("x"), t.tensor("mask"), t.number("value")); }},
      {"concat", concat_of},
      {"stack",
       [](Trial& t) {
         const Var a = t.in("a");
         return stack({a, t.in("b")}, static_cast<std::size_t>(t.number("axis")));
       }},
      {"slice",
       [](Trial& t) {
         return slice(t.in("x"), static_cast<int>(t.number("axis")),
                      static_cast<std::size_t>(t.number("begin")),
                      static_cast<std::size_t>(t.number("end")));
       }},
      {"permute", permute_of},
      {"mse", mse_of},
      {"kl_div", kl_div_of},
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

TEST(GoldenOps, AreAllConnected) {
  std::set<std::string> connected;
  for (const auto& [name, build] : builds()) connected.insert(name);
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
  EXPECT_GE(computed, 120U);
}

}  // namespace
}  // namespace palinode
