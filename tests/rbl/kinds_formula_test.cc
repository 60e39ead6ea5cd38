// What each kind of behavior computes, against models that have it built in.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "rbl/attach.h"
#include "rbl/metrics.h"
#include "tests/rbl/zoo.h"

namespace palinode::rbl {
namespace {

using zoo::Zoo;

// phi with values away from the start.
const Store& moved(Zoo& identity, const BehaviorPointer& unit) {
  const Store& phi = unit->phi();
  identity.ledger.commit(unit->init(Rng(5)));
  Proposal proposal{.reason = Reason::kNoise, .proposer = "test"};
  for (const Entry& entry : phi.entries()) {
    const Tensor z = Rng(7).stream(entry.name).normal(entry.value.shape(), entry.value.dtype());
    proposal.writes.push_back({&phi, entry.name, z});
  }
  identity.ledger.commit(proposal);
  return phi;
}

// A store `name` with theta's values, each changed by change(name, value).
template <class Change>
const Store& changed_copy(Zoo& identity, const std::string& name, const Change& change) {
  const Store& copy = identity.ledger.open(name, Role::kIdentity);
  Proposal proposal{.reason = Reason::kLoad, .proposer = "test"};
  for (const Entry& entry : identity.theta->entries()) {
    proposal.writes.push_back({&copy, entry.name, change(entry.name, entry.value), true});
  }
  identity.ledger.commit(proposal);
  return copy;
}

template <class T, class F>
Tensor made(const Shape& shape, Dtype dtype, const F& f) {
  TensorBuilder builder(shape, dtype);
  const auto out = builder.values<T>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = f(i);
  return std::move(builder).build();
}

constexpr nn::GptConfig kGpt = {.vocab = 11,
                                .context = 8,
                                .layers = 1,
                                .heads = 2,
                                .width = 8,
                                .precision = Precision::kRounded};

TEST(Kinds, DenseIsTheModelWhoseEveryWeightHasTheDifference) {
  Zoo identity("gpt_tied");
  const BehaviorPointer unit = make_behavior(identity.ledger.open("phi", Role::kBehavior),
                                             *identity.model, {.kind = "dense"});
  const Store& phi = moved(identity, unit);
  const Store& sum =
      changed_copy(identity, "sum", [&](const std::string& name, const Tensor& value) {
        const auto delta = phi.at(name + ".delta").values<float>();
        return made<float>(value.shape(), Dtype::kF32,
                           [&](std::size_t i) { return value.values<float>()[i] + delta[i]; });
      });
  const auto& config = dynamic_cast<const nn::Gpt&>(*identity.model).config();
  EXPECT_TRUE(same_bits(nn::evaluate(attach(*identity.model, unit), identity.x),
                        nn::evaluate(nn::Gpt(sum, config), identity.x)));
}

TEST(Kinds, BiasChangesBiasesAndNormsOnly) {
  Zoo identity("gpt");
  const BehaviorPointer unit = make_behavior(identity.ledger.open("phi", Role::kBehavior),
                                             *identity.model, {.kind = "bias"});
  const Store& phi = moved(identity, unit);
  const Store& sum =
      changed_copy(identity, "sum", [&](const std::string& name, const Tensor& value) {
        if (value.shape().rank() > 1) return value;
        const auto delta = phi.at(name + ".delta").values<float>();
        return made<float>(value.shape(), Dtype::kF32,
                           [&](std::size_t i) { return value.values<float>()[i] + delta[i]; });
      });
  const auto& config = dynamic_cast<const nn::Gpt&>(*identity.model).config();
  EXPECT_TRUE(same_bits(nn::evaluate(attach(*identity.model, unit), identity.x),
                        nn::evaluate(nn::Gpt(sum, config), identity.x)));
}

TEST(Kinds, DoraIsTheModelWithTheWeightsOfItsFormula) {
  Zoo identity("mlp", 1, Dtype::kF64);
  const BehaviorPointer unit =
      make_behavior(identity.ledger.open("phi", Role::kBehavior), *identity.model,
                    {.kind = "dora", .settings = {{"rank", 2}, {"alpha", 3}}});
  const Store& phi = moved(identity, unit);
  const Store& sum =
      changed_copy(identity, "sum", [&](const std::string& name, const Tensor& value) {
        if (value.shape().rank() != 2) return value;
        const std::string site = name.substr(0, name.rfind('.'));
        const std::size_t in = value.shape()[0], out = value.shape()[1];
        const auto w = value.values<double>();
        const auto a = phi.at(site + ".lora_A").values<double>();
        const auto b = phi.at(site + ".lora_B").values<double>();
        const auto m = phi.at(site + ".lora_magnitude").values<double>();
        const auto v = [&](std::size_t i, std::size_t j) {
          return w[i * out + j] + 1.5 * (a[i * 2] * b[j] + a[i * 2 + 1] * b[out + j]);
        };
        return made<double>(value.shape(), Dtype::kF64, [&](std::size_t at) {
          const std::size_t j = at % out;
          double before = 0, after = 0;
          for (std::size_t i = 0; i < in; ++i) {
            before += w[i * out + j] * w[i * out + j];
            after += v(i, j) * v(i, j);
          }
          return (std::sqrt(before) + m[j]) * v(at / out, j) / std::sqrt(after);
        });
      });
  const Tensor got = nn::evaluate(attach(*identity.model, unit), identity.x);
  const Tensor want = nn::evaluate(nn::Mlp(sum, {.sizes = {5, 7, 3}}), identity.x);
  for (std::size_t i = 0; i < got.elements(); ++i) {
    EXPECT_NEAR(got.values<double>()[i], want.values<double>()[i], 1e-12);
  }
}

TEST(Kinds, Ia3IsTheModelWithScaledColumnsAndRows) {
  Zoo identity("gpt", 1, Dtype::kF64);
  const BehaviorPointer unit =
      make_behavior(identity.ledger.open("phi", Role::kBehavior), *identity.model, {.kind = "ia3"});
  const Store& phi = moved(identity, unit);
  const Store& sum =
      changed_copy(identity, "sum", [&](const std::string& name, const Tensor& value) {
        const std::string site = name.substr(0, name.rfind('.'));
        if (!phi.contains(site + ".ia3")) return value;
        const auto factors = phi.at(site + ".ia3").values<double>();
        const bool inputs = site.ends_with(".down");
        const std::size_t out = value.shape()[value.shape().rank() - 1];
        const std::size_t plain = site.ends_with(".qkv") ? 8 : 0;
        return made<double>(value.shape(), Dtype::kF64, [&](std::size_t at) {
          const double w = value.values<double>()[at];
          if (inputs) return value.shape().rank() == 2 ? w * factors[at / out] : w;
          const std::size_t j = at % out;
          return j < plain ? w : w * factors[j - plain];
        });
      });
  const auto& config = dynamic_cast<const nn::Gpt&>(*identity.model).config();
  const Tensor got = nn::evaluate(attach(*identity.model, unit), identity.x);
  const Tensor want = nn::evaluate(nn::Gpt(sum, config), identity.x);
  for (std::size_t i = 0; i < got.elements(); ++i) {
    EXPECT_NEAR(got.values<double>()[i], want.values<double>()[i], 1e-11);
  }
  EXPECT_EQ(phi.at("block.0.attn.qkv.ia3").elements(), 16U);  // keys and values of width 8
}

TEST(Kinds, AdapterIsAnMlpWithABottleneckBetweenItsLayers) {
  Zoo identity("mlp");
  const BehaviorPointer unit =
      make_behavior(identity.ledger.open("phi", Role::kBehavior), *identity.model,
                    {.kind = "adapter", .sites = {"layer.0"}, .settings = {{"width", 3}}});
  const Store& phi = moved(identity, unit);
  Tape tape;
  const auto theta = [&](const char* name) { return tape.parameter(*identity.theta, name); };
  const auto unit_value = [&](const char* name) { return tape.parameter(phi, name); };
  const Var x = tape.constant(identity.x);
  const Var w0 = theta("layer.0.weight"), b0 = theta("layer.0.bias");
  const Var y = linear(x, w0, b0);
  const Var down = unit_value("layer.0.adapter_down.weight");
  const Var low = matmul(y, down);
  const Var biased = add(low, unit_value("layer.0.adapter_down.bias"));
  const Var bent = relu(biased);
  const Var up = matmul(bent, unit_value("layer.0.adapter_up.weight"));
  const Var change = add(up, unit_value("layer.0.adapter_up.bias"));
  const Var hidden = tanh(add(y, change));
  const Var w1 = theta("layer.1.weight"), b1 = theta("layer.1.bias");
  const Tensor want = linear(hidden, w1, b1).value();
  const Tensor got = nn::evaluate(attach(*identity.model, unit), identity.x);
  for (std::size_t i = 0; i < got.elements(); ++i) {
    EXPECT_NEAR(got.values<float>()[i], want.values<float>()[i], 1e-5);
  }
}

// Two tokens before each sequence of x.
Tensor behind(const Tensor& x, std::int32_t first, std::int32_t second) {
  const std::size_t batch = x.shape()[0], time = x.shape()[1];
  return made<std::int32_t>({batch, time + 2}, Dtype::kI32, [&](std::size_t i) {
    const std::size_t t = i % (time + 2), b = i / (time + 2);
    return t == 0 ? first : t == 1 ? second : x.values<std::int32_t>()[b * time + t - 2];
  });
}

// The rows of the last `time` tokens of each sequence.
Tensor without_first(const Tensor& y, std::size_t batch, std::size_t time) {
  const std::size_t width = y.shape()[1];
  return made<float>({batch * time, width}, Dtype::kF32, [&](std::size_t i) {
    const std::size_t row = i / width, b = row / time, t = row % time;
    return y.values<float>()[(b * (time + 2) + t + 2) * width + i % width];
  });
}

TEST(Kinds, ASoftPromptOfTokensIsTheModelAfterThoseTokens) {
  for (const char* name : {"gpt", "llama"}) {
    Zoo identity(name);
    const Store& phi = identity.ledger.open("phi", Role::kBehavior);
    const BehaviorPointer unit =
        make_behavior(phi, *identity.model, {.kind = "soft-prompt", .settings = {{"length", 2}}});
    identity.ledger.commit(unit->init(Rng(5)));
    const auto table = identity.theta->at("token.weight").values<float>();
    const Tensor rows = made<float>(
        {2, 8}, Dtype::kF32, [&](std::size_t i) { return table[(i < 8 ? 3 : 7) * 8 + i % 8]; });
    identity.ledger.commit({.proposer = "test", .writes = {{&phi, "tokens.prompt", rows}}});
    const Tensor want = nn::evaluate(*identity.model, behind(identity.x, 3, 7));
    EXPECT_TRUE(same_bits(nn::evaluate(attach(*identity.model, unit), identity.x),
                          without_first(want, 2, 5)))
        << name;
  }
}

// A model of one block that has read two tokens sees their keys and values; so does one with a
// prefix of them, whose own tokens have the positions from the first on.
TEST(Kinds, APrefixOfTheKeysOfTokensIsTheModelAfterThoseTokens) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Gpt model(theta, kGpt);
  ledger.commit(model.init(Rng(1)));
  const auto positions = theta.at("position.weight").values<float>();
  const Store& later = ledger.open("later", Role::kIdentity);
  Proposal proposal{.reason = Reason::kLoad, .proposer = "test"};
  for (const Entry& entry : theta.entries()) {
    Tensor value = entry.value;
    if (entry.name == "position.weight") {
      value = made<float>({8, 8}, Dtype::kF32,
                          [&](std::size_t i) { return i < 16 ? positions[i] : positions[i - 16]; });
    }
    proposal.writes.push_back({&later, entry.name, value, true});
  }
  ledger.commit(proposal);
  ledger.freeze(theta);
  const nn::Gpt moved_on(later, kGpt);

  // Keys and values of the two tokens, by hand.
  Tape tape;
  const auto read = [&](const char* name) { return tape.parameter(later, name); };
  const Tensor two =
      made<std::int32_t>({2}, Dtype::kI32, [](std::size_t i) { return i == 0 ? 3 : 7; });
  const Tensor first =
      made<std::int32_t>({2}, Dtype::kI32, [](std::size_t i) { return i == 0 ? 0 : 1; });
  const Var token = embedding(read("token.weight"), two);
  const Var place = embedding(read("position.weight"), first);
  const Var gamma = read("block.0.attn.norm.weight"), beta = read("block.0.attn.norm.bias");
  const Var seen = layer_norm(add(token, place), gamma, beta);
  const Var weight = read("block.0.attn.qkv.weight"), bias = read("block.0.attn.qkv.bias");
  const Var qkv = linear(seen, weight, bias);

  const Store& phi = ledger.open("phi", Role::kBehavior);
  const BehaviorPointer unit =
      make_behavior(phi, model, {.kind = "prefix", .settings = {{"length", 2}}});
  ledger.commit(unit->init(Rng(5)));
  const Tensor keys = slice(qkv, 1, 8, 16).value().compact();
  const Tensor values = slice(qkv, 1, 16, 24).value().compact();
  ledger.commit({.proposer = "test",
                 .writes = {{&phi, "block.0.attn.prefix_keys", keys},
                            {&phi, "block.0.attn.prefix_values", values}}});
  const Tensor x = Zoo::ids({2, 5}, 11, Rng(2).stream("x"));
  const Tensor want = nn::evaluate(moved_on, behind(x, 3, 7));
  EXPECT_TRUE(same_bits(nn::evaluate(attach(model, unit), x), without_first(want, 2, 5)));
}

TEST(Kinds, ARankStabilizedLoraIsScaledByTheRootOfItsRank) {
  Zoo identity("mlp");
  const auto unit = [&](const char* store, double alpha, double stabilized) {
    const BehaviorPointer made = make_behavior(
        identity.ledger.open(store, Role::kBehavior), *identity.model,
        {.kind = "lora",
         .settings = {{"rank", 4}, {"alpha", alpha}, {"rank_stabilized", stabilized}}});
    moved(identity, made);
    return nn::evaluate(attach(*identity.model, made), identity.x);
  };
  EXPECT_TRUE(same_bits(unit("a", 6, 1), unit("b", 12, 0)));
  EXPECT_FALSE(same_bits(unit("c", 6, 0), unit("d", 12, 0)));
}

// A unit whose change a linear layer does not see before its product.
class Outside : public nn::Seam {
 public:
  explicit Outside(BehaviorPointer unit) : unit_(std::move(unit)) {}
  Var at(nn::Run& run, std::string_view site, Var input, Var output) const override {
    return unit_->at(run, site, input, output);
  }
  Sha256Digest key() const override { return unit_->key(); }

 private:
  BehaviorPointer unit_;
};

struct Pass {
  Tensor y;
  std::vector<Tensor> gradients;
  std::size_t fused = 0, after = 0;  // layers that add the change in their product, and after it
};

Pass pass_of(const Zoo& identity, const nn::Model& model) {
  Tape tape;
  nn::Run run(tape);
  const Var y = model.forward(run, tape.constant(identity.x));
  const Gradients gradients = tape.backward(y, Rng(3).normal(y.shape(), y.value().dtype()));
  Pass pass = {y.value(), {}};
  for (const auto& item : gradients.items()) pass.gradients.push_back(item.value);
  for (std::size_t i = 0; i < tape.size(); ++i) {
    if (tape.node(i).op == nullptr) continue;
    if (tape.node(i).op->name == "linear_low_rank") ++pass.fused;
    if (tape.node(i).op->name == "low_rank_add") ++pass.after;
  }
  return pass;
}

TEST(Kinds, ALoraInTheProductOfItsLayersHasTheBitsOfOneAfterThem) {
  for (const char* name : {"mlp", "cnn", "gpt", "gpt_tied", "llama"}) {
    SCOPED_TRACE(name);
    Zoo identity(name);
    const BehaviorPointer unit =
        make_behavior(identity.ledger.open("phi", Role::kBehavior), *identity.model,
                      {.kind = "lora", .settings = {{"rank", 3}}});
    const Store& phi = moved(identity, unit);
    const Pass in = pass_of(identity, attach(*identity.model, unit));
    const Pass after = pass_of(identity, attach(*identity.model, std::make_shared<Outside>(unit)));
    EXPECT_GT(in.fused, 0U);
    EXPECT_EQ(after.fused, 0U);
    EXPECT_EQ(in.fused + in.after, after.after);
    EXPECT_TRUE(same_bits(in.y, after.y));
    // Of phi and of nothing else: theta is frozen.
    ASSERT_EQ(in.gradients.size(), phi.entries().size());
    ASSERT_EQ(after.gradients.size(), phi.entries().size());
    for (std::size_t i = 0; i < in.gradients.size(); ++i) {
      EXPECT_TRUE(same_bits(in.gradients[i], after.gradients[i])) << i;
    }
  }
}

TEST(Kinds, OnlyTheInnermostUnitEntersTheProductAndTheOthersComeInTheirOrder) {
  Zoo identity("mlp");
  const auto unit = [&](const char* store, const char* kind) {
    const BehaviorPointer made = make_behavior(identity.ledger.open(store, Role::kBehavior),
                                               *identity.model, {.kind = kind});
    moved(identity, made);
    return made;
  };
  const BehaviorPointer first = unit("a", "lora"), second = unit("b", "ia3"),
                        third = unit("c", "lora");
  const auto stacked = [&](const auto& one, const auto& two, const auto& three) {
    const Attached inner = attach(*identity.model, one);
    const Attached middle = attach(inner, two);
    return pass_of(identity, attach(middle, three));
  };
  const auto outside = [](const BehaviorPointer& each) { return std::make_shared<Outside>(each); };
  const Pass in = stacked(first, second, third);
  const Pass after = stacked(outside(first), outside(second), outside(third));
  EXPECT_EQ(in.fused, 2U);
  EXPECT_EQ(in.after, 2U);
  EXPECT_TRUE(same_bits(in.y, after.y));
  EXPECT_FALSE(same_bits(in.y, stacked(second, first, third).y));
}

}  // namespace
}  // namespace palinode::rbl
