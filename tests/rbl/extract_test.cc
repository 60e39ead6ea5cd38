// From weights to a behavior: the difference of two models, its parts, and the rank they are given.
#include "rbl/extract.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/rbl/trained.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

using zoo::Zoo;

// Another store with the identity's values, changed by f(name, values).
template <class T, class F>
const Store& changed(Zoo& identity, const std::string& name, const F& f) {
  const Store& tuned = identity.ledger.open(name, Role::kIdentity);
  Proposal proposal{.reason = Reason::kLoad, .proposer = "test"};
  for (const Entry& entry : identity.theta->entries()) {
    const std::span<const T> from = entry.value.values<T>();
    std::vector<T> values(from.begin(), from.end());
    f(entry.name, values);
    proposal.writes.push_back({&tuned, PoolString(entry.name),
                               Tensor::from(std::span<const T>(values), entry.value.shape()),
                               true});
  }
  identity.ledger.commit(proposal);
  return tuned;
}

Decomposition parts_of(Zoo& identity, const Store& tuned) {
  const BehaviorPointer dense =
      dense_difference(identity.ledger, tuned.name() + ".difference", *identity.model, tuned);
  return decompose(*dense, *identity.model);
}

// A decomposition of these singular values only.
Decomposition of_singular(const std::vector<std::vector<double>>& sites) {
  Decomposition parts;
  for (const std::vector<double>& singular : sites)
    parts.sites.push_back({"", {}, {{}, {}, singular}});
  return parts;
}

TEST(DenseDifference, TakesTheIdentityToTheTunedModelToRounding) {
  for (const std::string& name : zoo::kModels) {
    Zoo identity(name, 1, Dtype::kF64), other(name, 2, Dtype::kF64);
    const BehaviorPointer dense =
        dense_difference(identity.ledger, "difference", *identity.model, *other.theta);
    const Tensor wanted = nn::evaluate(*other.model, identity.x), got = outputs(identity, dense);
    for (std::size_t i = 0; i < wanted.elements(); ++i) {
      EXPECT_NEAR(got.values<double>()[i], wanted.values<double>()[i], 1e-12) << name;
    }
  }
}

TEST(DenseDifference, RefusesAModelOfOtherParameters) {
  Zoo mlp("mlp"), gpt("gpt"), wide("mlp", 1, Dtype::kF64);
  EXPECT_THROW(dense_difference(mlp.ledger, "a", *mlp.model, *gpt.theta), NameError);
  EXPECT_MESSAGE(dense_difference(mlp.ledger, "a", *mlp.model, *wide.theta), DtypeError,
                 "extract: layer.0.weight: operands differ in type: f32 [5, 7] and f64 [5, 7]");
  const Store& other = mlp.ledger.open("other", Role::kIdentity);
  mlp.ledger.commit(nn::Mlp(other, {.sizes = {5, 6, 3}}).init(Rng(1)));
  EXPECT_MESSAGE(dense_difference(mlp.ledger, "a", *mlp.model, other), ShapeError,
                 "extract: layer.0.weight: operands differ in shape: f32 [5, 7], f32 [5, 6]");
  EXPECT_NO_THROW(dense_difference(mlp.ledger, "a", *mlp.model, *mlp.theta));
}

TEST(Decompose, HasTheLayersThatDifferAndSaysWhatBelongsToNone) {
  Zoo identity("gpt");
  const Decomposition parts =
      parts_of(identity, changed<float>(identity, "tuned", [](auto name, auto& v) {
                 if (name == "block.1.mlp.up.weight" || name == "token.weight") v[3] += 3;
                 if (name == "block.0.attn.norm.bias") v[0] = 4;
                 if (name == "block.0.attn.out.bias") v[2] = -0.0F;
               }));
  ASSERT_EQ(parts.sites.size(), 1U);
  EXPECT_EQ(parts.sites[0].site, "block.1.mlp.up");
  EXPECT_NEAR(parts.sites[0].parts.singular[0], 3, 1e-6);
  EXPECT_EQ(largest_rank(parts), 8U);
  ASSERT_EQ(parts.left_out.size(), 2U);
  EXPECT_EQ(parts.left_out[0].parameter, "token.weight");
  EXPECT_NEAR(parts.left_out[0].norm, 3, 1e-6);
  EXPECT_EQ(parts.left_out[1].parameter, "block.0.attn.norm.bias");
  EXPECT_EQ(parts.left_out[1].norm, 4);
  const ExtractedLora found = extract_lora(identity.ledger, "phi", parts, *identity.model, 1);
  EXPECT_EQ(found.unit->config().sites, std::vector<std::string>{"block.1.mlp.up"});
  EXPECT_NEAR(found.left_out(), 5, 1e-6);
  EXPECT_NEAR(found.norm(), std::sqrt(34.0), 1e-6);
  EXPECT_NEAR(found.residual(), 5, 1e-6);
}

TEST(Decompose, SaysWhenThereIsNothingForALayer) {
  Zoo identity("llama");
  EXPECT_MESSAGE(parts_of(identity, *identity.theta), Error,
                 "extract: no weight differs, so there is nothing to extract");
  const auto norms = [](auto name, auto& v) {
    if (name.ends_with("norm.weight")) v[1] = 3;
  };
  EXPECT_MESSAGE(parts_of(identity, changed<float>(identity, "tuned", norms)), Error,
                 "extract: no linear layer differs; block.0.attn.norm.weight and 4 more do, by "
                 "4.47213595499958 in norm, and no low-rank unit holds biases, norms, convolutions "
                 "or tables");
}

TEST(Decompose, RefusesADifferenceItCannotMeasure) {
  Zoo identity("mlp", 1, Dtype::kF64);
  const auto with = [](const std::string& parameter, double value) {
    return [=](auto name, auto& v) {
      if (name == parameter) v[2] = value;
    };
  };
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_MESSAGE(parts_of(identity, changed<double>(identity, "a", with("layer.1.weight", -inf))),
                 NonFiniteError,
                 "extract: the difference of layer.1.weight f64 [7, 3] is -inf at element 2");
  EXPECT_MESSAGE(parts_of(identity, changed<double>(identity, "b", with("layer.0.bias", NAN))),
                 NonFiniteError,
                 "extract: the difference of layer.0.bias f64 [7] is nan at element 2");
  EXPECT_MESSAGE(parts_of(identity, changed<double>(identity, "c", with("layer.0.weight", 1e78))),
                 NonFiniteError,
                 "extract: the squares of the difference of layer.0.weight add up to 1e+156, too "
                 "much to take it apart in f64");
  EXPECT_NO_THROW(parts_of(identity, changed<double>(identity, "d", with("layer.0.weight", 1e76))));
}

// Their squares are 16, 9, 4, 1 and 16, 4: with rank 1, 32 of 50 are kept, with rank 2 45.
TEST(RankOf, IsTheSmallestThatKeepsTheShareOverAllLayers) {
  const Decomposition parts = of_singular({{4, 3, 2, 1}, {4, 2}});
  EXPECT_EQ(largest_rank(parts), 4U);
  for (const auto& [share, rank] : {std::pair{1e-9, 1U},
                                    {0.64 - 1e-9, 1U},
                                    {0.64 + 1e-9, 2U},
                                    {0.9 - 1e-9, 2U},
                                    {0.9 + 1e-9, 3U},
                                    {0.98 + 1e-9, 4U},
                                    {1.0, 4U}}) {
    EXPECT_EQ(rank_of(parts, share), rank) << share;
  }
  EXPECT_EQ(rank_of(of_singular({{1, 1, 0, 0}}), 1), 2U);
  for (const double share : {0.0, -1.0, 1.0000001, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(rank_of(parts, share), Error) << share;
  }
}

TEST(RankOf, LeavesAtMostTheRestOfTheSquaresInTheUnit) {
  Zoo identity("llama", 1, Dtype::kF64), other("llama", 2, Dtype::kF64);
  const Decomposition parts =
      parts_of(identity, changed<double>(identity, "tuned", [&](auto name, auto& v) {
                 const std::span<const double> to = other.theta->at(name).template values<double>();
                 v.assign(to.begin(), to.end());
               }));
  const auto left = [&](std::size_t rank) {
    const ExtractedLora found =
        extract_lora(identity.ledger, "rank." + std::to_string(rank), parts, *identity.model, rank);
    double lost = 0, all = 0;
    for (const ExtractedSite& site : found.sites) {
      lost += site.residual * site.residual;
      all += site.norm * site.norm;
    }
    return lost / all;
  };
  const std::size_t rank = rank_of(parts, 0.8);
  ASSERT_GT(rank, 1U);
  EXPECT_LE(left(rank), 0.2);
  EXPECT_GT(left(rank - 1), 0.2);
}

}  // namespace
}  // namespace palinode::rbl
