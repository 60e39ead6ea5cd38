// The end of a unit: memory, file, tombstone, and what a crash in between leaves to do.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tensor/checkpoint.h"
#include "tensor/file.h"
#include "tensor/ledger_file.h"
#include "tests/rbl/world.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

struct Destroy : testing::Test {
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                 ("palinode_destroy_" + std::to_string(::getpid()));
  std::string file = folder / "polite.safetensors", path = folder / "ledger.jsonl";
  Destroy() { std::filesystem::create_directories(folder); }
  ~Destroy() override { std::filesystem::remove_all(folder); }
};

TEST_F(Destroy, RemovesValuesVersionsAndFileAndLeavesATombstone) {
  World world;
  world.make("polite");
  world->keep("polite");
  write_file_atomically(file, "phi");
  world->bind_file("polite", file);
  world->sign("polite", KeyPair::generate());  // which brings its digest up to date
  const Sha256Digest digest_before = digest(world.unit("polite").statement());
  const Tombstone tombstone = world->destroy("polite", "asked to \"forget\"", "owner");
  EXPECT_EQ(world.state("polite"), State::kDestroyed);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(read_file(tombstone_path(file), 4096), to_json(tombstone) + "\n");
  EXPECT_NE(to_json(tombstone).find(R"("reason":"asked to \"forget\"")"), std::string::npos);
  EXPECT_GT(tombstone.bytes_wiped, 0U);
  EXPECT_EQ(tombstone.digest, digest_before);
  EXPECT_TRUE(world.unit("polite").phi().entries().empty());
  EXPECT_THROW(world->attach("polite"), LifeCycleError);
  EXPECT_THROW(world->create("polite", {.kind = "lora"}, Rng(1)), NameError);  // the name stays
}

TEST_F(Destroy, IsRefusedWhileSomebodyHoldsAValue) {
  World world;
  world.make("polite", "bias");
  const Picture before = Picture::of(world);
  {
    const Checkpoint holds = checkpoint_of(world.ledger);
    EXPECT_MESSAGE(world->destroy("polite", "", ""), LifeCycleError,
                   "polite: no destroy, somebody holds the value of polite/layer.0.bias.delta");
    EXPECT_TRUE(before == Picture::of(world));
  }
  world->destroy("polite", "", "");
}

TEST_F(Destroy, WhatACrashLeftUndoneIsDoneByTheNextRuntime) {
  Ledger ledger(Ledger::Level::kDigest, path);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {5, 7, 3}});
  ledger.commit(model.init(Rng(1)));
  ledger.freeze(theta);
  {
    Runtime runtime(ledger, model);
    runtime.create("polite", {.kind = "lora"}, Rng(1));
    runtime.bind_file("polite", file);
  }
  write_file_atomically(file, "phi");
  // As far as a destruction comes when the process dies after its record.
  ledger.note(
      {.event = "destroy",
       .fields = {
           {"unit", "polite"}, {"reason", "r"}, {"by", "b"}, {"values", hex(sha256("phi"))}}});
  const Runtime runtime(ledger, model, {}, read_ledger(path));
  EXPECT_EQ(runtime.roster()->at("polite").state, State::kDestroyed);
  EXPECT_TRUE(runtime.roster()->at("polite").phi().entries().empty());
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(std::filesystem::exists(tombstone_path(file)));
  EXPECT_TRUE(verify_ledger(path).intact);
}

TEST_F(Destroy, AJournalKeepsValuesSoItIsRefusedThere) {
  Ledger ledger(Ledger::Level::kJournal, path);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {5, 7, 3}});
  ledger.commit(model.init(Rng(1)));
  ledger.freeze(theta);
  Runtime runtime(ledger, model);
  runtime.create("polite", {.kind = "lora"}, Rng(1));
  runtime.attach("polite");
  runtime.detach("polite");
  EXPECT_MESSAGE(runtime.destroy("polite", "", ""), LifeCycleError,
                 "polite: no destroy, a ledger of the level journal keeps its values");
  EXPECT_TRUE(verify_ledger(path).intact);  // with the events in it
}

TEST_F(Destroy, AFileThatIsGoneAlreadyIsNoError) {
  World world;
  world.make("polite");
  world->bind_file("polite", file);
  world->destroy("polite", "", "");
  EXPECT_TRUE(std::filesystem::exists(tombstone_path(file)));
}

TEST_F(Destroy, RecordsThatAreNoRuntimesAreRefused) {
  Ledger ledger(Ledger::Level::kDigest, path);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {5, 7, 3}});
  ledger.commit(model.init(Rng(1)));
  ledger.freeze(theta);
  ledger.note({.event = "dance", .fields = {{"unit", "polite"}}});
  EXPECT_THROW(Runtime(ledger, model, {}, read_ledger(path)), NameError);
  ledger.note({.event = "attach"});
  EXPECT_THROW(Runtime(ledger, model, {}, read_ledger(path)), NameError);
}

}  // namespace
}  // namespace palinode::rbl
