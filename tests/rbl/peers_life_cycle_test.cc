// What users of other libraries reported about attaching, merging and unloading, as tests: each
// test names the thread. Numbers are those of the project's list.
//
// Each was seen to fail once, with the fault that its last comment line names.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "nn/gpt.h"
#include "nn/kv_cache.h"
#include "tests/rbl/world.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

// github.com/modelscope/ms-swift/pull/10154: synchronizing weights for inference, without one step
// of an optimizer, changed the frozen base. Fails if: making a selection leaves a record.
TEST(Peers, T02_NothingThatOnlyRunsChangesTheBaseNorRecordsAWrite) {
  World world("gpt");
  world.make_attached("a");
  world.make("m", "dense");
  world->merge("copy", {"m"});
  const Picture before = Picture::of(world);
  const auto merged = world->merged("copy");
  const auto selected = world->select({"a"});
  for (const nn::Model* function : {&world->function(), static_cast<const nn::Model*>(merged.get()),
                                    static_cast<const nn::Model*>(selected.get())}) {
    nn::evaluate(*function, world.x);
    observe(*function, *world.theta, world.x);
    world.gradients(*function);
    const Tensor wrong = Tensor::full<std::int32_t>({1, 1}, 99);  // no such token
    EXPECT_THROW(nn::evaluate(*function, wrong), Error);
    EXPECT_TRUE(before == Picture::of(world));
  }
}

// github.com/huggingface/peft/issues/3498, pull/3504: deleting an adapter while it is merged leaves
// its delta in the weights for ever.
// Fails if: destroy does not ask copies_of; Merged::forward does not look at quarantine.
TEST(Peers, T03_AMergedUnitIsNotDestroyedAndItsQuarantineStopsTheCopy) {
  World world;
  world.make("a", "dense");
  world->merge("copy", {"a"});
  const auto merged = world->merged("copy");
  const Tensor with_a = nn::evaluate(*merged, world.x);
  EXPECT_FALSE(same_bits(with_a, world.plain));
  const Picture before = Picture::of(world);
  EXPECT_MESSAGE(world->destroy("a", "", ""), LifeCycleError,
                 "a: no destroy, it is merged into the copy copy, which is to be discarded first");
  EXPECT_TRUE(before == Picture::of(world));
  EXPECT_EQ(world->quarantine("a", "odd", "me").copies, std::vector<std::string>{"copy"});
  EXPECT_MESSAGE(nn::evaluate(*merged, world.x), LifeCycleError,
                 "merged copy copy: it holds a, quarantined");
  world->release("a", "me");
  EXPECT_TRUE(same_bits(nn::evaluate(*merged, world.x), with_a));
  world->discard("copy");
  EXPECT_THROW(nn::evaluate(*merged, world.x), LifeCycleError);
  world->destroy("a", "", "");
  EXPECT_EQ(fingerprint(*world.theta), world.theta_before);
}

// github.com/huggingface/peft/issues/3756: merging some adapters silently disables the other active
// ones.
// Fails if: Merged::forward passes no active units, or does not refuse one that is in the copy.
TEST(Peers, T05_MergedAndActiveUnitsTogetherAreWhatTheyAreUnmerged) {
  World world;
  world.make_attached("a", "dense");
  world.make_attached("b", "dense");
  const Tensor both = world.output();
  world->merge("copy", {"a"});
  const auto merged = world->merged("copy");
  EXPECT_MESSAGE(nn::evaluate(*merged, world.x), LifeCycleError,
                 "merged copy copy: it holds a, enabled as well");
  world->disable("a");
  EXPECT_EQ(world->active(), std::vector<std::string>{"b"});
  EXPECT_TRUE(same_bits(nn::evaluate(*merged, world.x), both));
}

// github.com/huggingface/peft/issues/493, pull/736: a disabled adapter went on using trained copies
// of whole modules. Fails if: disabled units stay in Roster::active.
TEST(Peers, T06_ADisabledUnitOfAnyKindLeavesNoBitAndNoOperation) {
  World world("gpt");
  const std::size_t operations = world.tape_size(*world.model);
  for (const BehaviorKind& kind : behavior_kinds()) {
    const std::string name(kind.name);
    world.make_attached(name, name);
    EXPECT_FALSE(same_bits(world.output(), world.plain)) << name;
    world->disable(name);
    EXPECT_TRUE(same_bits(world.output(), world.plain)) << name;
    EXPECT_EQ(world.tape_size(world->function()), operations) << name;
  }
}

// github.com/huggingface/peft/pull/741: with trained biases the disabled model is not the base.
// Fails if: the step may write theta (Runtime::moments_of).
TEST(Peers, T07_BiasesAreTheUnitsOwn) {
  World world;
  world.make("a", "bias");
  world.adam("a", 5, "moments");
  world->attach("a");
  EXPECT_FALSE(same_bits(world.output(), world.plain));
  world->disable("a");
  EXPECT_TRUE(same_bits(world.output(), world.plain));
  const auto into_theta = [&](const nn::Model&, const Store&) {
    return World::moved(*world.theta);
  };
  world->enable("a");
  EXPECT_THROW(world->train("a", into_theta), NameError);
  EXPECT_EQ(fingerprint(*world.theta), world.theta_before);
}

// github.com/huggingface/peft/issues/3753, 2438; transformers/issues/34469: loading an adapter
// turned train mode and dropout on. Fails if: Active::forward makes its run in train mode.
TEST(Peers, T10_AttachingLeavesTheModeAndDropoutAsTheyAre) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Gpt model(
      theta, {.vocab = 11, .context = 8, .layers = 1, .heads = 2, .width = 8, .dropout = 0.5});
  ledger.commit(model.init(Rng(1)));
  ledger.freeze(theta);
  Runtime runtime(ledger, model);
  runtime.create("a", {.kind = "lora"}, Rng(1));
  const Tensor x = zoo::Zoo::ids({2, 5}, 11, Rng(2));
  const Tensor before = nn::evaluate(runtime.function(), x);
  runtime.attach("a");  // fresh: it changes no bit
  EXPECT_TRUE(same_bits(nn::evaluate(runtime.function(), x), before));
  EXPECT_TRUE(same_bits(nn::evaluate(runtime.function(), x), before));
  const auto train = [&] {
    Tape tape;
    const Rng rng(3);
    nn::Run run(tape, {.mode = nn::Mode::kTrain, .rng = &rng});
    const Var y = runtime.function().forward(run, tape.constant(x));
    EXPECT_TRUE(run.training());
    return y.value();
  };
  EXPECT_FALSE(same_bits(train(), before));  // dropout is there, for whoever asks
  EXPECT_TRUE(same_bits(nn::evaluate(runtime.function(), x), before));
}

// github.com/huggingface/peft/issues/3025, pull/3067: unloading left the adapter's configuration on
// the model.
// Fails if: put_out leaves the name in the stack, or sweep is not called.
TEST(Peers, T13_UnloadingLeavesNoResidue) {
  World world;
  world.make("a");
  world.adam("a", 2, "moments");
  world->attach("a");
  world->detach("a");
  const auto roster = world->roster();
  EXPECT_TRUE(roster->stack.empty());
  EXPECT_TRUE(roster->active.empty());
  EXPECT_TRUE(roster->gone.empty());
  EXPECT_TRUE(world.unit("a").moments.empty());
  EXPECT_EQ(world.store("moments", Role::kOptimizer).bytes(), 0U);
  EXPECT_EQ(world.tape_size(world->function()), world.tape_size(*world.model));
  world->destroy("a", "done", "me");
  for (const Store* store : world.ledger.stores()) {
    EXPECT_EQ(store->bytes() == 0, store != world.theta) << store->name();
  }
}

// github.com/huggingface/peft/pull/1490: unloading left wrapped layers inside of wrapped modules.
// Fails if: pass() drops all units but the last.
TEST(Peers, T14_NestedUnitsOnTheSameLayersUnloadFromInsideToo) {
  World world("gpt");
  for (const char* kind : {"dense", "adapter", "dora"}) world.make_attached(kind, kind);
  world->detach("adapter");
  EXPECT_TRUE(same_bits(world.output(), world.output_of({"dense", "dora"})));
  world->detach("dense");
  EXPECT_TRUE(same_bits(world.output(), world.output_of({"dora"})));
  world->detach("dora");
  EXPECT_TRUE(same_bits(world.output(), world.plain));
  EXPECT_EQ(world.tape_size(world->function()), world.tape_size(*world.model));
}

// github.com/huggingface/peft/issues/738, pull/2466, 3515: adapters are never freed, a model
// reports none active while it is still adapted. The set that is in effect is found from outputs
// alone in e16_test.cc. Fails if: wipe leaves the entries, or Receipt::bytes_freed
// counts phi.
TEST(Peers, T15_EveryByteIsAccountedFor) {
  World world;
  const auto bytes = [&] {
    std::size_t total = 0;
    for (const Store* store : world.ledger.stores()) total += store->bytes();
    return total;
  };
  const std::size_t at_first = bytes();
  world.make("a");
  world->keep("a");
  const std::size_t phi = world.unit("a").phi().bytes();
  EXPECT_EQ(bytes(), at_first + 2 * phi);
  world.adam("a", 1, "moments");
  const std::size_t trained = bytes();
  world->attach("a");
  EXPECT_EQ(bytes(), trained);
  const Receipt receipt = world->detach("a");
  EXPECT_EQ(bytes(), trained - receipt.bytes_freed);
  EXPECT_EQ(bytes(), at_first + 2 * phi);
  EXPECT_EQ(world->destroy("a", "", "").bytes_wiped, 2 * phi);
  EXPECT_EQ(bytes(), at_first);
}

// github.com/fastino-ai/GLiNER2/pull/160: unloading did nothing, and the status said unloaded.
// Fails if: publish() does not put the next roster in place.
TEST(Peers, T16_UnloadingProvesItselfOrThrows) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  world.make_attached("a");
  const Receipt receipt = world->detach("a");
  ASSERT_TRUE(receipt.certificate);
  EXPECT_TRUE(receipt.exact());
  EXPECT_GT(receipt.certificate->kl_during, 0);
  EXPECT_EQ(receipt.certificate->logits_after, xxh3(world.plain));
  EXPECT_EQ(receipt.chain, world.ledger.head());
  EXPECT_MESSAGE(world->detach("a"), LifeCycleError,
                 "a: no detach from detached; from there: train, restore, sign, attach, "
                 "quarantine, destroy");
  EXPECT_THROW(world->detach("nobody"), NameError);
}

// github.com/huggingface/diffusers/issues/5170, 5000, 5032: after fusing two, no order of unfusing
// brings the pure image back.
// Fails if: put_out erases the last of the stack in place of the unit.
TEST(Peers, T17_EveryOrderOfUnloadingFourEndsInTheIdentity) {
  const std::vector<std::string> kinds = {"lora", "adapter", "ia3", "dense"};
  World world;
  for (const std::string& kind : kinds) world.make(kind, kind);
  std::vector<std::string> order = kinds;
  std::ranges::sort(order);
  do {
    for (const std::string& kind : kinds) world->attach(kind);
    std::vector<std::string> left = kinds;
    for (const std::string& gone : order) {
      world->detach(gone);
      std::erase(left, gone);
      EXPECT_EQ(world->active(), left);
      EXPECT_TRUE(same_bits(world.output(), world.output_of(left)));
    }
    EXPECT_TRUE(same_bits(world.output(), world.plain));
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(fingerprint(*world.theta), world.theta_before);
}

// github.com/huggingface/peft/issues/1303, 2759, 3487, 3580, pull/2765: what is trained hangs on
// what is active; loading B unfroze A. Fails if: the step may write another unit's phi, or attach
// enables what is disabled.
TEST(Peers, T20_TrainingOneUnitLeavesTheOthersAndThetaAlone) {
  World world;
  for (const char* name : {"a", "b", "c"}) world.make_attached(name);
  world->disable("c");
  const auto print = [&](const char* name) { return fingerprint(world.unit(name).phi()); };
  const Sha256Digest a = print("a"), b = print("b"), c = print("c");
  world.adam("b", 3, "moments");
  EXPECT_NE(print("b"), b);
  EXPECT_EQ(print("a"), a);
  EXPECT_EQ(print("c"), c);
  EXPECT_EQ(world.state("c"), State::kDisabled);
  EXPECT_EQ(fingerprint(*world.theta), world.theta_before);
  const auto into_a = [&](const nn::Model&, const Store&) {
    return World::moved(world.unit("a").phi());
  };
  EXPECT_THROW(world->train("b", into_a), NameError);
  EXPECT_EQ(print("a"), a);
  EXPECT_THROW(world.adam("a", 1, "moments"), LifeCycleError);  // they are b's
  world.make_attached("d");
  EXPECT_EQ(world.state("c"), State::kDisabled);
}

// github.com/vllm-project/vllm/issues/30931, 42125, 3264, 44250; ggml-org/llama.cpp/issues/26207: a
// cache of keys and values was used again under another adapter.
// Fails if: KvCache::claim does not compare the function's key.
TEST(Peers, T29_ACacheIsRefusedAfterASwitch) {
  World world("gpt");
  world.make_attached("a");
  world.make("b");
  const Tensor head = zoo::Zoo::ids({1, 3}, 11, Rng(4)), next = zoo::Zoo::ids({1, 1}, 11, Rng(5));
  const auto step = [&](nn::KvCache& cache, const Tensor& tokens) {
    Tape tape;
    nn::Run run(tape, {.cache = &cache});
    return world->function().forward(run, tape.constant(tokens)).value();
  };
  nn::KvCache of_a;
  step(of_a, head);
  const auto refused = [&] { EXPECT_THROW(step(of_a, next), StaleReadError); };
  world->swap("a", "b");
  refused();
  world->detach("b");
  refused();
  world->attach("a");
  const Tensor warm = step(of_a, next);  // the same function as before
  nn::KvCache cold;
  step(cold, head);
  EXPECT_TRUE(same_bits(step(cold, next), warm));
  world.move("a", 8);
  refused();
  world->kill("", "");
  refused();
}

// github.com/huggingface/peft/issues/176: of two threads one disables the adapter, and the other
// computes without it.
// Fails if: Selected::forward passes the active units in place of its own.
TEST(Peers, T30_AnotherThreadsSwitchingDoesNotReachAPass) {
  World world;
  for (const char* name : {"a", "b"}) world.make_attached(name);
  const Tensor both = world.output(), only_a = world.output_of({"a"});
  const auto selected = world->select({"a", "b"});
  std::atomic<bool> stop{false};
  std::atomic<int> passes{0}, wrong{0};
  std::thread runner([&] {
    while (!stop) {
      if (!same_bits(nn::evaluate(*selected, world.x), both)) ++wrong;
      const Tensor live = world.output();
      if (!same_bits(live, both) && !same_bits(live, only_a)) ++wrong;
      ++passes;
    }
  });
  for (int i = 0; i < 2000 || (passes < 50 && i < 2'000'000); ++i) {
    world->disable("b");
    world->enable("b");
  }
  stop = true;
  runner.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(passes, 50);
  world->detach("b");
  EXPECT_MESSAGE(nn::evaluate(*selected, world.x), LifeCycleError,
                 "b: selected, but it is detached, not attached");
}

// github.com/zjunlp/EasyEdit/issues/363, 659, 465: restoring the weights reached the model that had
// been handed out, and edits piled up where one editor lacked it.
// Fails if: put_out is left out of kDetach.
TEST(Peers, T32_EveryArmStartsFromTheVerifiedIdentity) {
  World plain;
  World world(RuntimeOptions{.probes = plain.x});
  for (const BehaviorKind& kind : behavior_kinds()) {
    if (kind.sites(*world.model).empty()) continue;
    const std::string name(kind.name);
    EXPECT_EQ(fingerprint(*world.theta), world.theta_before);
    world.make_attached(name, name);
    const Tensor adapted = world.output();
    const Tensor copy = adapted.copy();
    const Receipt receipt = world->detach(name);
    EXPECT_TRUE(receipt.exact()) << name;
    EXPECT_EQ(receipt.certificate->fingerprint_before, world.theta_before);
    EXPECT_EQ(receipt.certificate->logits_before, xxh3(world.plain));
    EXPECT_TRUE(same_bits(adapted, copy));  // what was handed out stays
  }
}

// unturtle 188, Soup 354, unsloth-zoo 674: an adapter's first values hung on random numbers drawn
// before.
// Fails if: create draws from a stream without the parameter's name, or counts units into it.
TEST(Peers, T34_AUnitsFirstValuesDoNotHangOnWhatCameBefore) {
  World fresh, used;
  for (const char* name : {"x", "y"}) used.make_attached(name, "adapter");
  used.adam("y", 3, "moments");
  for (const World* world : {&fresh, &used}) (*world)->create("a", {.kind = "lora"}, Rng(9));
  EXPECT_EQ(fingerprint(fresh.unit("a").phi()), fingerprint(used.unit("a").phi()));
  const Sha256Digest before = fingerprint(used.unit("a").phi());
  used->attach("a");
  EXPECT_EQ(fingerprint(used.unit("a").phi()), before);
}

// No thread found: an optimizer that is kept after unloading starts the next behavior with the
// moments of the last. Fails if: put_out does not hand the moments to `gone`.
TEST(Peers, T40_TheNextUnitStartsWithoutTheLastOnesMoments) {
  World used, fresh;
  used.make("a");
  used->attach("a");
  used.adam("a", 5, "moments");
  used->detach("a");
  for (World* world : {&used, &fresh}) {
    (*world)->create("b", {.kind = "lora"}, Rng(2));
    world->adam("b", 5, "moments");
  }
  EXPECT_EQ(fingerprint(used.unit("b").phi()), fingerprint(fresh.unit("b").phi()));
  EXPECT_EQ(fingerprint(used.store("moments", Role::kOptimizer)),
            fingerprint(fresh.store("moments", Role::kOptimizer)));
}

}  // namespace
}  // namespace palinode::rbl
