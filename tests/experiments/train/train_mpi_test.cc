// Training by several processes: the bits of one, and an end of all if one fails.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "experiments/train/loop.h"
#include "tests/experiments/mpirun.h"
#include "tests/experiments/train/temporary_run.h"

namespace palinode::experiments::train {
namespace {

constexpr const char* kDigits = R"(
[data]
validation = 98
[model]
hidden = [16]
[optimizer]
clip_norm = 0.5
accumulate = 2
[train]
steps = 12
batch = 16
shards = 4
eval_every = 5
checkpoint_every = 4
keep = "best"
)";

constexpr const char* kConvolutional = R"(
[data]
validation = 98
shift = 1
[model]
kind = "cnn"
channels = [4]
pool = [2]
hidden = [8]
dropout = 0.2
[optimizer]
clip_norm = 0.5
clip_value = 0.1
[train]
steps = 12
batch = 8
shards = 8
eval_every = 1
patience = 2
)";

constexpr const char* kText = R"(
[data]
name = "devil"
validation = 100
[model]
kind = "gpt"
layers = 1
heads = 2
width = 16
dropout = 0.2
checkpointing = true
[train]
steps = 4
batch = 8
context = 12
shards = 4
[sample]
tokens = 0
[ledger]
level = "journal"
)";

// A file of settings that goes away with the test.
class Settings {
 public:
  explicit Settings(const char* text)
      : path_(testing::TempDir() + "/palinode_" + std::to_string(getpid()) + ".toml") {
    std::ofstream(path_) << text;
  }
  ~Settings() { std::filesystem::remove(path_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> train(const Settings& settings, const RunFolder& folder,
                               const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"train", settings.path(), "--out", folder.path(),
                                        "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void expect_the_run_of_one_process(const char* text) {
  const Settings settings(text);
  const TemporaryRun alone("mpi_alone");
  MpiRun one(0, train(settings, alone));
  ASSERT_EQ(one.wait(), 0) << one.err();
  for (const int processes : {1, 2, 3, 4}) {
    const TemporaryRun folder("mpi");
    MpiRun run(processes, train(settings, folder));
    ASSERT_EQ(run.wait(), 0) << run.err();
    expect_same_run(folder, alone);
    EXPECT_EQ(run.out().find("trained "), run.out().rfind("trained ")) << run.out();
  }
}

TEST(TrainingUnderMpi, IsTheRunOfOneProcess) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  expect_the_run_of_one_process(kDigits);
}

TEST(TrainingUnderMpi, IsTheRunOfOneProcessForImagesWithDropoutAndPatience) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  expect_the_run_of_one_process(kConvolutional);
}

TEST(TrainingUnderMpi, IsTheRunOfOneProcessForALanguageModelWithDropout) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  expect_the_run_of_one_process(kText);
}

TEST(TrainingUnderMpi, GoesOnWithWhatOneProcessBegan) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const TemporaryRun whole("mpi_whole"), stopped("mpi_stopped");
  const Config config = parse_config(kDigits, "test.toml");
  whole.start(config);
  run_loop(config, whole, {.quiet = true}, prepare(config));
  stopped.start(config);
  run_loop(config, stopped, {.quiet = true, .stop_after = 6}, prepare(config));
  MpiRun run(2, {"train", "--resume", "--out", stopped.path()});
  ASSERT_EQ(run.wait(), 0) << run.err();
  EXPECT_NE(run.err().find("resumed after step 6\n"), std::string::npos) << run.err();
  expect_same_run(stopped, whole);
}

// Whichever process it is that comes upon it, all end where the one process ends.
TEST(TrainingUnderMpi, ANonFiniteLossEndsAll) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Settings settings(kDigits);
  const std::vector<std::string> diverging = {
      "--set", "optimizer.kind=sgd",    "--set", "optimizer.lr=1000",
      "--set", "optimizer.clip_norm=0", "--set", "model.hidden=[16,16,16]",
      "--set", "model.activation=gelu"};
  const TemporaryRun alone("mpi_infinite_alone"), folder("mpi_infinite");
  MpiRun one(0, train(settings, alone, diverging));
  ASSERT_EQ(one.wait(), 1) << one.err();
  const std::string line = one.err().substr(0, one.err().find('\n') + 1);
  ASSERT_TRUE(line.starts_with("palinode: train: the loss of step ")) << one.err();
  MpiRun run(2, train(settings, folder, diverging));
  EXPECT_EQ(run.wait(), 1) << run.err();
  EXPECT_NE(run.err().find(line.substr(line.find("train: "))), std::string::npos) << run.err();
  EXPECT_EQ(metrics_of(folder), metrics_of(alone));
}

void wait_for_checkpoint(const RunFolder& folder) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!folder.holds_checkpoint()) {
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

// Only process 0 writes, so it alone fails without its folder; the others wait for its gradients.
TEST(TrainingUnderMpi, AFailureInOneProcessEndsAll) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Settings settings(kDigits);
  const TemporaryRun folder("mpi_failed");
  MpiRun run(3, train(settings, folder, {"--set", "train.steps=1000000"}));
  wait_for_checkpoint(folder);
  std::filesystem::rename(folder.path(), folder.path() + "_away");
  EXPECT_EQ(run.wait(), 4) << run.err();
  EXPECT_NE(run.err().find("palinode: process 0: cannot write " + folder.path()), std::string::npos)
      << run.err();
  std::filesystem::remove_all(folder.path() + "_away");
}

// Ends a run of two processes early by a signal to the second, goes on with `processes`, and
// expects the run that was never stopped.
void expect_to_go_on_after(int signal, int code, int processes) {
  const Settings settings(kDigits);
  const std::vector<std::string> steps = {"--set", "train.steps=400",
                                          "--set", "train.eval_every=50",
                                          "--set", "train.checkpoint_every=50"};
  const TemporaryRun whole("mpi_whole"), stopped("mpi_stopped");
  MpiRun one(0, train(settings, whole, steps));
  ASSERT_EQ(one.wait(), 0) << one.err();
  MpiRun run(2, train(settings, stopped, steps));
  wait_for_checkpoint(stopped);
  const std::vector<pid_t> children = run.children();
  ASSERT_EQ(children.size(), 2U);
  ::kill(children[1], signal);
  EXPECT_EQ(run.wait(), code) << run.err();
  ASSERT_FALSE(std::filesystem::exists(stopped.result())) << "the run was over too soon";
  MpiRun again(processes, {"train", "--resume", "--quiet", "--out", stopped.path()});
  ASSERT_EQ(again.wait(), 0) << again.err();
  expect_same_run(stopped, whole);
}

TEST(TrainingUnderMpi, AKilledProcessEndsAllAndTheRunGoesOn) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  expect_to_go_on_after(SIGKILL, 128 + SIGKILL, 4);
}

TEST(TrainingUnderMpi, ASignalToOneStopsAllAfterTheSameStep) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  expect_to_go_on_after(SIGTERM, 128 + SIGTERM, 2);
}

TEST(TrainingUnderMpi, NeedsAShardForEachProcess) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Settings settings(kDigits);
  const TemporaryRun folder("mpi_few");
  MpiRun run(4, train(settings, folder, {"--set", "train.shards=2"}));
  EXPECT_EQ(run.wait(), 2);
  const std::string line =
      "palinode: train.shards: expected at least the 4 processes of --mpi, got 2\n";
  const std::string err = run.err();
  EXPECT_NE(err.find(line), std::string::npos) << err;
  EXPECT_EQ(err.find(line), err.rfind(line)) << err;
  EXPECT_FALSE(folder.holds_run());
}

}  // namespace
}  // namespace palinode::experiments::train
