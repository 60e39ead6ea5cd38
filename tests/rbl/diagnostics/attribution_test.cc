#include "rbl/diagnostics/attribution.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

struct AttributionTest : testing::Test, SmallModels {
  Attribution found(Grouping grouping = Grouping::kTensor) const {
    return attribute(mlp_family(), Role::kIdentity, named_values(theta), named_values(changed),
                     probes, grouping);
  }
  void add_noise(const char* name, double sigma) {
    const NamedValues noisy = with_noise({{name, changed.at(name)}}, sigma);
    put(changed, name, noisy[0].value);
  }
  static NamedValues with_noise(NamedValues values, double sigma) {
    for (Entry& entry : values) {
      const Tensor z = Rng(6).stream(entry.name).normal(entry.value.shape(), Dtype::kF32);
      std::vector<float> moved;
      for (std::size_t i = 0; i < z.elements(); ++i) {
        moved.push_back(entry.value.values<float>()[i] +
                        static_cast<float>(sigma) * z.values<float>()[i]);
      }
      entry.value = Tensor::from<float>(moved, entry.value.shape());
    }
    return values;
  }
};

TEST_F(AttributionTest, GivesATensorThatChangedAloneAllOfIt) {
  add_noise("layer.1.weight", 0.3);
  const Attribution a = found();
  EXPECT_EQ(a.total, kl_divergence(log_p_of(f0, probes), log_p_of(f1, probes)).mean);
  EXPECT_EQ(a.parts[0].name, "layer.1.weight");
  EXPECT_EQ(a.parts[0].words_changed, 64U);
  EXPECT_EQ(a.parts[0].put_back, a.total);
  EXPECT_EQ(a.parts[0].added_in, a.total);
  EXPECT_EQ(a.put_back_interaction(), 0);
  EXPECT_EQ(a.added_in_interaction(), 0);
  for (std::size_t i = 1; i < a.parts.size(); ++i) {
    EXPECT_EQ(a.parts[i].put_back, 0);
    EXPECT_EQ(a.parts[i].first_order, 0);
  }
}

TEST_F(AttributionTest, AddsUpAtFirstOrderForSmallChanges) {
  ledger.commit(noise(changed, 1e-3, Rng(3)));
  const Attribution a = found();
  EXPECT_GT(a.total, 0);
  EXPECT_NEAR(a.first_order_interaction() / a.total, 0, 0.02);
  for (const Contribution& part : a.parts) EXPECT_NE(part.first_order, 0) << part.name;
}

TEST_F(AttributionTest, ReportsWhatOnlyTwoTensorsTogetherDo) {
  // Units whose outgoing weights change sign as their incoming ones do: together hardly anything,
  // each alone a lot.
  std::vector<float> in, out;
  for (const float w : theta.at("layer.0.weight").values<float>()) in.push_back(-w);
  for (const float w : theta.at("layer.1.weight").values<float>()) out.push_back(-w);
  std::vector<float> bias;
  for (const float w : theta.at("layer.0.bias").values<float>()) bias.push_back(-w);
  put(changed, "layer.0.weight", Tensor::from<float>(in, {6, 16}));
  put(changed, "layer.0.bias", Tensor::from<float>(bias, {16}));
  put(changed, "layer.1.weight", Tensor::from<float>(out, {16, 4}));
  const Attribution a = found(Grouping::kLayer);
  EXPECT_LT(a.total, 1e-10);
  EXPECT_LT(a.parts[0].put_back, -1e-3);
  EXPECT_GT(a.parts[0].added_in, 1e-3);
  EXPECT_GT(a.put_back_interaction(), 1e-3);
  EXPECT_LT(a.added_in_interaction(), -1e-3);
}

TEST_F(AttributionTest, GroupsTensorsByLayer) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const Attribution tensors = found(), layers = found(Grouping::kLayer);
  ASSERT_EQ(layers.parts.size(), 2U);
  EXPECT_EQ(tensors.parts.size(), 4U);
  const Contribution& first = layers.parts[0].name == "layer.0" ? layers.parts[0] : layers.parts[1];
  EXPECT_EQ(first.name, "layer.0");
  EXPECT_EQ(first.words, 6U * 16 + 16);
  EXPECT_EQ(layers.total, tensors.total);
  EXPECT_GE(layers.parts[0].put_back, layers.parts[1].put_back);
}

TEST_F(AttributionTest, ExplainsABehaviorByItsTensors) {
  const NamedValues trained = named_values(phi);
  const Attribution a =
      attribute(phi_family(), Role::kBehavior, zeros_like(trained), trained, probes);
  EXPECT_EQ(a.total, kl_divergence(log_p_of(f0, probes), log_p_of(shifted, probes)).mean);
  EXPECT_EQ(a.parts[0].name, "shift");
  EXPECT_EQ(a.parts[0].put_back, a.total);
}

TEST_F(AttributionTest, RanksProbesByTheirDivergence) {
  add_noise("layer.0.bias", 0.5);
  const Attribution a = found();
  const Divergence all = kl_divergence(log_p_of(f0, probes), log_p_of(f1, probes));
  ASSERT_EQ(a.probes.size(), 64U);
  double shares = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_GE(a.probes[i > 0 ? i - 1 : 0].kl, a.probes[i].kl);
    EXPECT_EQ(a.probes[i].kl, all.per_input[a.probes[i].probe]);
    shares += a.probes[i].share;
  }
  EXPECT_NEAR(shares, 1, 1e-12);
}

TEST_F(AttributionTest, OfEqualFunctionsIsNothing) {
  const Attribution a = found();
  EXPECT_EQ(a.total, 0);
  EXPECT_EQ(a.probes[0].share, 0);
  for (const Contribution& part : a.parts) EXPECT_EQ(part.words_changed, 0U);
}

TEST_F(AttributionTest, TouchesNeitherOfTheTwo) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const std::uint64_t records = ledger.sequence();
  const Sha256Digest before = fingerprint(theta), after = fingerprint(changed);
  found();
  EXPECT_EQ(ledger.sequence(), records);
  EXPECT_EQ(fingerprint(theta), before);
  EXPECT_EQ(fingerprint(changed), after);
}

TEST_F(AttributionTest, RefusesValuesThatDoNotCompare) {
  NamedValues other = named_values(theta);
  other[1].name = "layer.9.bias";
  EXPECT_MESSAGE(attribute(mlp_family(), Role::kIdentity, named_values(theta), other, probes),
                 NameError, "attribute: tensor 1 is layer.0.bias and layer.9.bias");
  other = named_values(theta);
  other[1].value = Tensor::zeros({2}, Dtype::kF32);
  EXPECT_THROW(attribute(mlp_family(), Role::kIdentity, named_values(theta), other, probes),
               ShapeError);
  other.pop_back();
  EXPECT_THROW(attribute(mlp_family(), Role::kIdentity, named_values(theta), other, probes),
               NameError);
}

TEST(Explain, PrintsPartsSumInteractionAndTotal) {
  const Attribution a{.total = 2,
                      .parts = {{"layer.1.weight", 64, 60, 1.5, 1.25, 1},
                                {"layer.0.weight", 96, 96, 0.25, 0.5, 0.75}},
                      .probes = {{5, 3, 0.75}, {0, 1, 0.25}}};
  EXPECT_EQ(explain(a, 1),
            "KL(f0 || f1) 2 nats, mean over 2 probes\n"
            "\n"
            "part              words changed     put back     added in  first order\n"
            "layer.1.weight            60/64          1.5         1.25            1\n"
            "layer.0.weight            96/96         0.25          0.5         0.75\n"
            "sum                                     1.75         1.75         1.75\n"
            "interaction                             0.25         0.25         0.25\n"
            "total                                      2            2            2\n"
            "\n"
            "probe                      nats        share\n"
            "5                             3        75.0%\n");
}

}  // namespace
}  // namespace palinode::rbl
