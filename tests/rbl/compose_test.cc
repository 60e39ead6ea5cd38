#include "rbl/compose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "nn/kv_cache.h"
#include "rbl/attach.h"
#include "rbl/commutator.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/shaping.h"
#include "tests/rbl/zoo.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

using zoo::Zoo;

BehaviorPointer moved_unit(Zoo& identity, const std::string& name, BehaviorConfig config) {
  const Store& phi = identity.ledger.open(name, Role::kBehavior);
  const BehaviorPointer unit = make_behavior(phi, *identity.model, std::move(config));
  identity.ledger.commit(unit->init(Rng(5)));
  Proposal proposal{.reason = Reason::kNoise, .proposer = "test"};
  for (const Entry& entry : phi.entries()) {
    const Tensor z = Rng(7).stream(name + entry.name).normal(entry.value.shape(), Dtype::kF32);
    proposal.writes.push_back({&phi, entry.name, z});
  }
  identity.ledger.commit(proposal);
  return unit;
}

TEST(Parallel, OfOneUnitIsThatUnitButForTheRoundingOfItsChange) {
  Zoo identity("mlp");
  const BehaviorPointer a = moved_unit(identity, "a", {.kind = "lora"});
  const Tensor alone = nn::evaluate(attach(*identity.model, a), identity.x);
  const Tensor one = nn::evaluate(attach(*identity.model, parallel({{a}})), identity.x);
  for (std::size_t i = 0; i < alone.elements(); ++i) {
    EXPECT_NEAR(one.values<float>()[i], alone.values<float>()[i], 1e-4);
  }
}

TEST(Parallel, AWeightOfZeroChangesNothing) {
  for (const char* model : {"mlp", "cnn", "gpt"}) {
    Zoo identity(model);
    const BehaviorPointer a = moved_unit(identity, "a", {.kind = "adapter"});
    const BehaviorPointer b = moved_unit(identity, "b", {.kind = "dense"});
    EXPECT_TRUE(
        same_bits(nn::evaluate(attach(*identity.model, parallel({{a, 0}, {b, 0}})), identity.x),
                  nn::evaluate(*identity.model, identity.x)));
  }
}

TEST(Parallel, AddsChangesByWeight) {
  Zoo identity("mlp");
  const BehaviorPointer a = moved_unit(identity, "a", {.kind = "bias"});
  const BehaviorPointer b = moved_unit(identity, "b", {.kind = "bias"});
  const Store& sum = identity.ledger.open("sum", Role::kBehavior);
  const BehaviorPointer both = make_behavior(sum, *identity.model, {.kind = "bias"});
  identity.ledger.commit(both->init(Rng(1)));
  Proposal proposal{.proposer = "test"};
  for (const Entry& entry : sum.entries()) {
    TensorBuilder builder(entry.value.shape(), Dtype::kF32);
    const auto out = builder.values<float>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = a->phi().at(entry.name).values<float>()[i] -
               0.5F * b->phi().at(entry.name).values<float>()[i];
    }
    proposal.writes.push_back({&sum, entry.name, std::move(builder).build()});
  }
  identity.ledger.commit(proposal);
  const Tensor got =
      nn::evaluate(attach(*identity.model, parallel({{a, 1}, {b, -0.5}})), identity.x);
  const Tensor want = nn::evaluate(attach(*identity.model, both), identity.x);
  for (std::size_t i = 0; i < got.elements(); ++i) {
    EXPECT_NEAR(got.values<float>()[i], want.values<float>()[i], 1e-5);
  }
}

TEST(Parallel, PutsPrefixesAndPromptsOneAfterTheOther) {
  Zoo identity("gpt");
  for (const char* kind : {"prefix", "soft-prompt"}) {
    const BehaviorPointer a =
        moved_unit(identity, std::string("a.") + kind, {.kind = kind, .settings = {{"length", 1}}});
    const BehaviorPointer b =
        moved_unit(identity, std::string("b.") + kind, {.kind = kind, .settings = {{"length", 1}}});
    const Attached stacked_a = attach(*identity.model, a);
    EXPECT_TRUE(same_bits(nn::evaluate(attach(*identity.model, parallel({{a}, {b}})), identity.x),
                          nn::evaluate(attach(stacked_a, b), identity.x)));
    EXPECT_THROW(nn::evaluate(attach(*identity.model, parallel({{a, 0.5}})), identity.x),
                 NameError);
  }
}

TEST(Parallel, RefusesWhatItCannotAdd) {
  Zoo identity("mlp");
  const BehaviorPointer a = moved_unit(identity, "a", {.kind = "lora"});
  EXPECT_MESSAGE(parallel({}), NameError, "parallel: there are no behaviors");
  EXPECT_MESSAGE(parallel({{nullptr}}), NameError, "parallel: a behavior is missing");
  EXPECT_MESSAGE(parallel({{a, std::numeric_limits<double>::infinity()}}), NameError,
                 "parallel: a weight is a number, got inf");
}

TEST(Compose, EveryOrderOfUnloadingFourBehaviorsEndsInTheIdentity) {
  for (const char* model : {"mlp", "cnn", "gpt"}) {
    Zoo identity(model);
    const Tensor plain = nn::evaluate(*identity.model, identity.x);
    const Sha256Digest theta = fingerprint(*identity.theta);
    std::vector<SeamPointer> units;
    for (const char* kind : {"lora", "adapter", "ia3", "dense"}) {
      units.push_back(moved_unit(identity, kind, {.kind = kind}));
    }
    const auto function = [&](const std::vector<std::size_t>& attached) {
      std::vector<Share> shares;
      for (const std::size_t i : attached) shares.push_back({units[i]});
      if (shares.empty()) return nn::evaluate(*identity.model, identity.x);
      return nn::evaluate(attach(*identity.model, parallel(std::move(shares))), identity.x);
    };
    std::map<std::vector<std::size_t>, Tensor> seen;  // what a set computes, in any history
    std::vector<std::size_t> order = {0, 1, 2, 3};
    do {
      std::vector<std::size_t> left = {0, 1, 2, 3};
      for (const std::size_t gone : order) {
        std::erase(left, gone);
        const auto [at, fresh] = seen.emplace(left, function(left));
        EXPECT_TRUE(fresh || same_bits(at->second, function(left)));
      }
      EXPECT_TRUE(same_bits(function({}), plain));
    } while (std::ranges::next_permutation(order).found);
    EXPECT_EQ(fingerprint(*identity.theta), theta);
    EXPECT_EQ(seen.size(), 15U);
  }
}

TEST(Commutator, IsZeroForBehaviorsThatEnterInDifferentPlacesOfOneLayer) {
  Zoo identity("mlp");
  const SeamPointer a = moved_unit(identity, "a", {.kind = "lora", .sites = {"layer.0"}});
  const SeamPointer b = moved_unit(identity, "b", {.kind = "bias", .sites = {"layer.1.bias"}});
  const Commutator found = commutator(*identity.model, a, b, identity.x);
  EXPECT_TRUE(found.commute);
  EXPECT_EQ(found.kl.mean, 0);
  EXPECT_EQ(found.js.mean, 0);
  EXPECT_EQ(found.largest_logit, 0);
  EXPECT_GT(found.together_kl, 0);
}

TEST(Commutator, IsNotZeroForAnAdapterAndWhatItReads) {
  for (const char* model : {"mlp", "cnn", "gpt"}) {
    Zoo identity(model);
    const SeamPointer a = moved_unit(identity, "a", {.kind = "adapter"});
    const SeamPointer b = moved_unit(identity, "b", {.kind = "ia3"});
    const Commutator found = commutator(*identity.model, a, b, identity.x);
    EXPECT_FALSE(found.commute) << model;
    EXPECT_GT(found.kl.mean, 1e-6) << model;
    EXPECT_GT(found.largest_logit, 0) << model;
    const Commutator turned = commutator(*identity.model, b, a, identity.x);
    EXPECT_EQ(turned.js.mean, found.js.mean) << "JS does not know which comes first";
  }
}

struct RoutedTest : testing::TestWithParam<std::string> {};

TEST_P(RoutedTest, EachRowHasTheBitsOfItsOwnBehavior) {
  Zoo identity(GetParam());
  std::vector<SeamPointer> units;
  for (const char* kind : {"lora", "adapter", "bias"}) {
    units.push_back(moved_unit(identity, kind, {.kind = kind}));
  }
  if (identity.model->embedding_width() > 0) {
    units.push_back(moved_unit(identity, "p", {.kind = "prefix", .settings = {{"length", 2}}}));
    units.push_back(
        moved_unit(identity, "s", {.kind = "soft-prompt", .settings = {{"length", 2}}}));
  }
  // Every behavior and none twice, mixed.
  std::vector<Tensor> rows;
  Route route;
  for (std::size_t i = 0; i < 2 * (units.size() + 1); ++i) {
    const std::size_t at = i % (units.size() + 1);
    route.push_back(at == units.size() ? std::nullopt : std::optional(at));
    const std::int32_t row = static_cast<std::int32_t>(i % identity.x.shape()[0]);
    rows.push_back(take(identity.x, Tensor::full<std::int32_t>({1}, row)));
  }
  const Tensor batch = concat(rows);
  const Tensor mixed = nn::evaluate(Routed(*identity.model, units, route), batch);
  std::vector<Tensor> alone;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    alone.push_back(route[i] ? nn::evaluate(attach(*identity.model, units[*route[i]]), rows[i])
                             : nn::evaluate(*identity.model, rows[i]));
  }
  EXPECT_TRUE(same_bits(mixed, concat(alone)));
}

INSTANTIATE_TEST_SUITE_P(Models, RoutedTest, testing::ValuesIn(zoo::kModels));

TEST(Routed, ARuleDecidesFromTheBatch) {
  Zoo identity("mlp");
  const BehaviorPointer unit = moved_unit(identity, "a", {.kind = "bias"});
  const RouteRule positive = [](const Tensor& x) {
    Route route;
    for (std::size_t row = 0; row < x.shape()[0]; ++row) {
      const bool yes = x.values<float>()[row * x.shape()[1]] > 0;
      route.push_back(yes ? std::optional<std::size_t>(0) : std::nullopt);
    }
    return route;
  };
  const Tensor got = nn::evaluate(Routed(*identity.model, {unit}, positive), identity.x);
  const Tensor with = nn::evaluate(attach(*identity.model, unit), identity.x);
  const Tensor without = nn::evaluate(*identity.model, identity.x);
  std::size_t changed = 0;
  for (std::size_t row = 0; row < 4; ++row) {
    const bool yes = identity.x.values<float>()[row * 5] > 0;
    changed += yes ? 1 : 0;
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_EQ(got.values<float>()[row * 3 + j],
                (yes ? with : without).values<float>()[row * 3 + j]);
    }
  }
  EXPECT_TRUE(changed > 0 && changed < 4);
}

TEST(Routed, GradientsReachEachBehaviorFromItsOwnRowsOnly) {
  Zoo identity("mlp");
  const BehaviorPointer a = moved_unit(identity, "a", {.kind = "bias"});
  const BehaviorPointer b = moved_unit(identity, "b", {.kind = "bias"});
  const Gradients none_of_b =
      identity.gradients(Routed(*identity.model, {a, b}, Route{0, std::nullopt, 0, std::nullopt}));
  EXPECT_NE(none_of_b.find(a->phi(), 0), nullptr);
  EXPECT_EQ(none_of_b.find(b->phi(), 0), nullptr);
}

TEST(Routed, RefusesAWrongRouteAndACache) {
  Zoo identity("gpt");
  const BehaviorPointer a = moved_unit(identity, "a", {.kind = "bias"});
  EXPECT_MESSAGE(nn::evaluate(Routed(*identity.model, {a}, Route{0}), identity.x), ShapeError,
                 "route: 1 places for a batch of 2");
  EXPECT_MESSAGE(nn::evaluate(Routed(*identity.model, {a}, Route{0, 1}), identity.x), NameError,
                 "route: row 1 names behavior 1, there are 1");
  EXPECT_MESSAGE(Routed(*identity.model, {nullptr}, Route{0}), NameError,
                 "route: a behavior is missing");
  nn::KvCache cache;
  Tape tape;
  nn::Run run(tape, {.cache = &cache});
  const Routed mixed(*identity.model, {a}, Route{0, std::nullopt});
  EXPECT_THROW(mixed.forward(run, tape.constant(identity.x)), NameError);
}

}  // namespace
}  // namespace palinode::rbl
