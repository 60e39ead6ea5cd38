// A run with a journal goes back to any of its steps, and forward again the same way.
#include "experiments/train/take_back.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "experiments/train/loop.h"
#include "experiments/train/model_io.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"
#include "tests/experiments/train/temporary_run.h"
#include "tests/support/message.h"

namespace palinode::experiments::train {
namespace {

constexpr const char* kDigits = R"(
[data]
validation = 198
[model]
hidden = [16]
[train]
steps = 40
batch = 16
eval_every = 8
checkpoint_every = 7
[ledger]
level = "journal"
)";

Config parse(const std::vector<std::string>& sets) {
  return parse_config(kDigits, "test.toml", sets);
}

RunResult run(const Config& config, const RunFolder& folder, std::uint64_t stop_after = 0) {
  return run_loop(config, folder, {.quiet = true, .stop_after = stop_after}, prepare(config));
}

// The last record of the optimizer's step.
std::uint64_t record_of(const RunFolder& folder, std::uint64_t step) {
  std::uint64_t last = 0;
  LedgerReader reader(folder.ledger());
  while (reader.next()) {
    const Record record = reader.record();
    if (record.reason == "adam" && record.step == step) last = record.seq;
  }
  return last;
}

struct TakeBack : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Keep, TakeBack, testing::Values("last", "best"));

TEST_P(TakeBack, LeavesTheRunThatWasStoppedThereAndGoesOnTheSameWay) {
  const Config config = parse({std::string("train.keep=") + GetParam()});
  const TemporaryRun whole("whole"), stopped("stopped"), back("back");
  whole.start(config);
  const RunResult want = run(config, whole);
  stopped.start(config);
  run(config, stopped, 19);

  const std::string untouched = bytes_of(whole.ledger());
  const TakenBack taken = take_back(whole, back, record_of(whole, 19));
  EXPECT_EQ(bytes_of(whole.ledger()), untouched);
  EXPECT_EQ(taken.step, 19U);
  EXPECT_EQ(load_checkpoint(back.checkpoint()).notes, load_checkpoint(stopped.checkpoint()).notes);
  EXPECT_EQ(bytes_of(back.model()), bytes_of(stopped.model()));
  EXPECT_TRUE(verify_ledger(back.ledger()).intact);
  EXPECT_EQ(verify_ledger(back.ledger()).head, taken.head);

  const RunResult again = run(config, back);
  EXPECT_EQ(again.fingerprint, want.fingerprint);
  EXPECT_EQ(again.model, want.model);
  EXPECT_EQ(metrics_of(back), metrics_of(whole));
  EXPECT_TRUE(verify_ledger(back.ledger()).intact);
  EXPECT_EQ(first_difference(replay_ledger(back.ledger()), load_checkpoint(back.checkpoint())), "");
}

TEST(TakingBack, ReachesTheFirstValues) {
  const Config config = parse({"train.steps=9"});
  const TemporaryRun whole("first"), back("first_back");
  whole.start(config);
  const RunResult want = run(config, whole);
  const TakenBack taken = take_back(whole, back, 4);  // four tensors of an MLP
  EXPECT_EQ(taken.step, 0U);
  EXPECT_EQ(run(config, back).fingerprint, want.fingerprint);
}

TEST(TakingBack, RefusesWhatIsNoRunAnyMoreAndLeavesNothingBehind) {
  const Config config = parse({"train.steps=9"});
  const TemporaryRun whole("refuses"), back("refuses_back");
  whole.start(config);
  run(config, whole);
  EXPECT_MESSAGE(take_back(whole, back, 0), Error, "undo: at record 0 there was no network yet");
  EXPECT_THROW(take_back(whole, back, 6), Error);  // inside a commit
  EXPECT_THROW(take_back(whole, back, 100000), Error);
  EXPECT_TRUE(std::filesystem::is_empty(back.path()));
  const TemporaryRun digest("refuses_digest");
  const Config other = parse({"train.steps=2", "ledger.level=digest"});
  digest.start(other);
  run(other, digest);
  EXPECT_THROW(take_back(digest, back, 4), Error);
}

}  // namespace
}  // namespace palinode::experiments::train
