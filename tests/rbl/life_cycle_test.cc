#include "rbl/life_cycle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <new>
#include <sstream>

#include "tests/rbl/world.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

// -------------------------------------------------------------------------------------------------
// The table.

TEST(LifeCycle, EveryStateIsReachedAndOnlyDestroyedIsTheEnd) {
  std::vector<State> reached = {State::kCreated};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (const Transition& each : transitions()) {
      const bool fresh = std::ranges::find(reached, each.to) == reached.end();
      if (each.from == reached[i] && fresh) reached.push_back(each.to);
    }
  }
  EXPECT_EQ(reached.size(), 9U);
  for (const State state : reached) {
    const bool leaves = std::ranges::any_of(
        transitions(), [state](const Transition& each) { return each.from == state; });
    EXPECT_EQ(leaves, state != State::kDestroyed) << state;
  }
}

TEST(LifeCycle, StatesAndEventsHaveNamesThatComeBack) {
  std::ostringstream out;
  out << State::kQuarantined << " " << Event::kRelease;
  EXPECT_EQ(out.str(), "quarantined release");
  for (const Transition& each : transitions()) {
    EXPECT_EQ(state_named(state_name(each.from)), each.from);
  }
  EXPECT_EQ(state_named("asleep"), std::nullopt);
}

TEST(LifeCycle, WhatIsNotInTheTableIsRefusedByName) {
  EXPECT_MESSAGE(require_next("polite", State::kQuarantined, Event::kAttach), LifeCycleError,
                 "polite: no attach from quarantined; from there: release, destroy");
  EXPECT_MESSAGE(require_next("polite", State::kDestroyed, Event::kTrain), LifeCycleError,
                 "polite: no train from destroyed; from there: nothing");
}

// -------------------------------------------------------------------------------------------------
// The runtime.

TEST(Runtime, IsExactlyThePlainModelWhenNothingIsEnabled) {
  World world;
  const std::size_t operations = world.tape_size(*world.model);
  EXPECT_EQ(world.tape_size(world->function()), operations);
  world.make_attached("a");
  EXPECT_GT(world.tape_size(world->function()), operations);
  world->disable("a");
  EXPECT_EQ(world.tape_size(world->function()), operations);
  EXPECT_TRUE(same_bits(world.output(), world.plain));
  world->enable("a");
  world->detach("a");
  EXPECT_EQ(world.tape_size(world->function()), operations);
}

TEST(Runtime, KeepsTheOrderOfTheStackWhateverComesAndGoes) {
  World world;
  for (const char* name : {"a", "b", "c"}) world.make_attached(name);
  EXPECT_TRUE(same_bits(world.output(), world.output_of({"a", "b", "c"})));
  EXPECT_FALSE(same_bits(world.output(), world.output_of({"c", "b", "a"})));
  world->quarantine("b", "odd answers", "reviewer");
  EXPECT_EQ(world->active(), (std::vector<std::string>{"a", "c"}));
  world->release("b", "reviewer");
  world->attach("b", {.place = 0});
  EXPECT_EQ(world->active(), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_TRUE(same_bits(world.output(), world.output_of({"b", "a", "c"})));
  world->detach("a");
  EXPECT_THROW(world->attach("a", {.place = 3}), NameError);
  EXPECT_EQ(world.state("a"), State::kDetached);
}

TEST(Runtime, SwapPutsOneInTheOthersPlaceInOneRecord) {
  World world;
  for (const char* name : {"a", "b"}) world.make_attached(name);
  world.make("c", "adapter");
  const std::uint64_t records = world.ledger.sequence();
  world->swap("a", "c");
  EXPECT_EQ(world.ledger.sequence(), records + 1);
  EXPECT_EQ(world->active(), (std::vector<std::string>{"c", "b"}));
  EXPECT_EQ(world.state("a"), State::kDetached);
  EXPECT_TRUE(same_bits(world.output(), world.output_of({"c", "b"})));
  const Picture before = Picture::of(world);
  EXPECT_THROW(world->swap("c", "b"), LifeCycleError);  // b is in already
  EXPECT_THROW(world->swap("a", "c"), LifeCycleError);  // a is out
  EXPECT_TRUE(before == Picture::of(world));
}

TEST(Runtime, AnAttachThatFailsAnywhereLeavesEverythingAsItWas) {
  bool full = false;
  World world(RuntimeOptions{.permit = [&](Event, const Unit&) {
    if (full) throw std::bad_alloc();
  }});
  world.make_attached("a");
  world.make("b");
  const Origin elsewhere{.identity = sha256("another identity")};
  std::map<std::string, Tensor> values;
  for (const Entry& entry : world.unit("b").phi().entries()) values[entry.name] = entry.value;
  world->adopt("stranger", {.kind = "lora"}, values, elsewhere);
  const Picture before = Picture::of(world);
  full = true;
  EXPECT_THROW(world->attach("b"), std::bad_alloc);
  EXPECT_THROW(world->swap("a", "b"), std::bad_alloc);
  EXPECT_TRUE(before == Picture::of(world));
  full = false;
  EXPECT_MESSAGE(world->attach("stranger"), IdentityError,
                 "stranger: made for the identity " + hex(sha256("another identity")) +
                     ", this one is " + hex(world.theta_before));
  values.erase(values.begin());
  EXPECT_THROW(world->adopt("less", {.kind = "lora"}, values, elsewhere), NameError);
  EXPECT_THROW(world->create("c", {.kind = "prefix"}, Rng(1)), NameError);
  EXPECT_THROW(world->create("c", {.kind = "lora", .settings = {{"rank", 0}}}, Rng(1)), NameError);
  EXPECT_THROW(world->create("a", {.kind = "lora"}, Rng(1)), NameError);
  EXPECT_TRUE(before == Picture::of(world));
  world->create("c", {.kind = "lora"}, Rng(1));  // the failure left no store in the way
  world->attach("stranger", {.force = true});    // the operator's word, and on record
  EXPECT_EQ(world->active(), (std::vector<std::string>{"a", "stranger"}));
}

TEST(Runtime, RefusesAnIdentityThatIsNotFrozen) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {5, 7, 3}});
  ledger.commit(model.init(Rng(1)));
  EXPECT_MESSAGE(Runtime(ledger, model), FrozenError, "runtime: theta is not frozen");
}

TEST(Runtime, AReceiptShowsWhatWasBeforeDuringAndAfter) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  world.make("a");
  world.adam("a", 2, "moments");
  world->attach("a");
  const std::size_t held = world.store("moments", Role::kOptimizer).bytes();
  const Receipt receipt = world->detach("a");
  ASSERT_TRUE(receipt.certificate);
  EXPECT_TRUE(receipt.exact()) << to_text(receipt);
  EXPECT_EQ(receipt.certificate->fingerprint_before, world.theta_before);
  EXPECT_EQ(receipt.certificate->logits_before, xxh3(world.plain));
  EXPECT_GT(receipt.certificate->kl_during, 0);
  EXPECT_EQ(receipt.bytes_freed, held);
  ASSERT_EQ(receipt.optimizers.size(), 1U);
  EXPECT_EQ(receipt.optimizers[0].store, "moments");
  EXPECT_NE(to_json(receipt).find(R"("exact":true)"), std::string::npos);
  EXPECT_NE(to_text(receipt).find("verdict    exact"), std::string::npos);
}

TEST(Runtime, AReceiptComparesWithTheUnitsThatAreLeft) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  for (const char* name : {"a", "b"}) world.make_attached(name);
  const Receipt receipt = world->detach("a");
  EXPECT_TRUE(receipt.exact());
  EXPECT_EQ(receipt.certificate->logits_after, xxh3(world.output_of({"b"})));
  EXPECT_NE(receipt.certificate->logits_after, xxh3(world.plain));
}

TEST(Runtime, ABehaviorThatCannotBeRunAnyMoreIsTakenOutAllTheSame) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  world.make_attached("a");
  world.ledger.wipe(world.unit("a").phi());  // behind the runtime's back
  EXPECT_THROW(world.output(), NameError);
  const Receipt receipt = world->kill("it fails", "operator");
  EXPECT_FALSE(receipt.certificate);
  EXPECT_EQ(receipt.unmeasured, "store a: no parameter named layer.0.lora_A");
  EXPECT_TRUE(same_bits(world.output(), world.plain));
}

TEST(Runtime, TheKillSwitchTakesEverythingOutAtOnce) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  for (const char* name : {"a", "b", "c"}) world.make_attached(name);
  world->disable("b");
  world.make("m", "dense");
  world->merge("copy", {"m"});
  const auto merged = world->merged("copy");
  const Receipt receipt = world->kill("told to", "operator");
  EXPECT_EQ(receipt.units, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(receipt.copies, std::vector<std::string>{"copy"});
  EXPECT_TRUE(receipt.exact());
  EXPECT_TRUE(world->roster()->stack.empty());
  EXPECT_EQ(world.tape_size(world->function()), world.tape_size(*world.model));
  EXPECT_MESSAGE(nn::evaluate(*merged, world.x), LifeCycleError,
                 "merged copy copy: it was stopped");
}

// -------------------------------------------------------------------------------------------------
// Signatures.

TEST(SignedUnits, AreTheOnlyOnesWhereThatIsThePolicy) {
  const KeyPair keys = KeyPair::generate(), other = KeyPair::generate();
  World world(RuntimeOptions{.signed_only = true, .trusted = {keys.public_key()}});
  world.make("a");
  EXPECT_MESSAGE(world->attach("a"), LifeCycleError,
                 "a: only signed units may be attached, it is not");
  world->sign("a", other);
  EXPECT_THROW(world->attach("a"), LifeCycleError);
  world->sign("a", keys);
  world->attach("a");
  EXPECT_EQ(world.state("a"), State::kEnabled);
  EXPECT_THROW(world.move("a"), LifeCycleError);  // what it would become nobody has signed
  world->detach("a");
  world.move("a", 8);
  EXPECT_THROW(world->attach("a"), LifeCycleError);
}

TEST(SignedUnits, AreRefusedWhenOneBitOfThemHasChanged) {
  World world;
  world.make("a", "bias");
  world->sign("a", KeyPair::generate());
  const Store& phi = world.unit("a").phi();
  const std::string name = phi.entries()[0].name;
  const Tensor was = phi.entries()[0].value;
  TensorBuilder builder(was.shape(), Dtype::kF32);
  std::ranges::copy(was.values<float>(), builder.values<float>().begin());
  float& first = builder.values<float>()[0];
  first = std::bit_cast<float>(std::bit_cast<std::uint32_t>(first) ^ 1U);
  world.ledger.commit({.proposer = "test", .writes = {{&phi, name, std::move(builder).build()}}});
  EXPECT_THROW(world->attach("a"), LifeCycleError);
  world.ledger.commit({.proposer = "test", .writes = {{&phi, name, was}}});
  world->attach("a");
}

// -------------------------------------------------------------------------------------------------
// Versions.

TEST(Versions, KeepTheirValuesAndTheirParent) {
  World world;
  world.make("a");
  const Sha256Digest first = fingerprint(world.unit("a").phi());
  EXPECT_EQ(world->keep("a"), 1U);
  EXPECT_THROW(world->keep("a"), LifeCycleError);  // nothing has changed
  world.move("a", 8);
  EXPECT_EQ(world.unit("a").version, 2U);
  EXPECT_EQ(world.unit("a").parent, world.unit("a").at(1).digest);
  EXPECT_EQ(world->keep("a"), 2U);
  world->restore("a", 1);
  EXPECT_EQ(fingerprint(world.unit("a").phi()), first);
  EXPECT_EQ(world.unit("a").version, 1U);
  world.move("a", 9);
  EXPECT_EQ(world.unit("a").version, 3U);
  EXPECT_EQ(world.unit("a").parent, world.unit("a").at(1).digest);
  EXPECT_MESSAGE(world->restore("a", 7), NameError, "a: no version 7 was kept");
}

TEST(Versions, TheirDifferenceIsToldByTensor) {
  World world;
  world.make("a", "bias");
  world->keep("a");
  const Store& phi = world.unit("a").phi();
  world->train("a", [](const nn::Model&, const Store& own) {
    const Entry& entry = own.entries()[0];
    TensorBuilder builder(entry.value.shape(), Dtype::kF32);
    std::ranges::copy(entry.value.values<float>(), builder.values<float>().begin());
    builder.values<float>()[1] += 4;
    builder.values<float>()[2] += 3;
    return Proposal{.proposer = "test", .writes = {{&own, entry.name, std::move(builder).build()}}};
  });
  const std::vector<VersionChange> changes = world->diff("a", 1, 0);
  ASSERT_EQ(changes.size(), phi.entries().size());
  EXPECT_EQ(changes[0].elements, 7U);
  EXPECT_EQ(changes[0].changed, 2U);
  EXPECT_NEAR(changes[0].l2, 5, 1e-6);
  EXPECT_EQ(changes[1].changed, 0U);
  EXPECT_EQ(changes[1].l2, 0);
}

TEST(Versions, ASignatureReturnsWithTheVersionItIsOf) {
  World world;
  world.make("a");
  world->sign("a", KeyPair::generate());
  world->keep("a");
  world.move("a", 8);
  EXPECT_FALSE(world.unit("a").signature);
  world->restore("a", 1);
  EXPECT_TRUE(world.unit("a").signature);
  world->attach("a");
}

TEST(Versions, APinnedUnitStaysAsItIs) {
  World world;
  world.make("a");
  world->keep("a");
  world->pin("a");
  EXPECT_MESSAGE(world.move("a"), LifeCycleError, "a: no train, it is pinned");
  EXPECT_MESSAGE(world->restore("a", 1), LifeCycleError, "a: no restore, it is pinned");
  EXPECT_MESSAGE(world->destroy("a", "", ""), LifeCycleError, "a: no destroy, it is pinned");
  world->attach("a");
  world->detach("a");
  world.ledger.commit(World::moved(world.unit("a").phi(), 9));  // behind the runtime's back
  EXPECT_THROW(world->attach("a"), LifeCycleError);
  world->unpin("a");
  world->attach("a");
}

}  // namespace
}  // namespace palinode::rbl
