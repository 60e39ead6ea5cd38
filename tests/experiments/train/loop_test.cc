// The training loop: what it leaves in the run's folder, and that stopping and going on at any step
// changes none of it.
#include "experiments/train/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "experiments/train/model_io.h"
#include "tensor/ledger_file.h"
#include "tests/experiments/train/temporary_run.h"
#include "tests/support/message.h"

namespace palinode::experiments::train {
namespace {

constexpr const char* kDigits = R"(
[data]
validation = 198
[model]
hidden = [16]
[optimizer]
lr = 5e-3
[train]
steps = 60
batch = 16
eval_every = 12
checkpoint_every = 7
keep = "best"
)";

// Masks, statistics, shifts, a schedule, clipping and several batches a step.
constexpr const char* kConvolutional = R"(
[data]
validation = 98
shift = 1
[model]
kind = "cnn"
channels = [4]
pool = [2]
hidden = [8]
batch_norm = true
dropout = 0.2
[optimizer]
kind = "adamw"
weight_decay = 0.01
schedule = "cosine"
warmup = 4
clip_norm = 0.5
clip_value = 0.1
accumulate = 2
[train]
steps = 24
batch = 8
eval_every = 10
checkpoint_every = 5
[ledger]
level = "summary"
)";

constexpr const char* kText = R"(
[data]
name = "devil"
tokenizer = "byte-pairs"
merges = 20
validation = 300
[model]
kind = "gpt"
layers = 1
heads = 2
width = 16
dropout = 0.1
[optimizer]
kind = "sgd"
momentum = 0.9
[train]
steps = 12
batch = 4
context = 16
eval_every = 4
checkpoint_every = 4
[ledger]
level = "off"
)";

Config parse(const char* text, const std::vector<std::string>& sets = {}) {
  return parse_config(text, "test.toml", sets);
}

RunResult run(const Config& config, const RunFolder& folder, std::uint64_t stop_after = 0) {
  return run_loop(config, folder, {.quiet = true, .stop_after = stop_after}, prepare(config));
}

RunResult run_whole(const Config& config, const RunFolder& folder) {
  folder.start(config);
  return run(config, folder);
}

TEST(TrainingLoop, LeavesALineForEveryStep) {
  const TemporaryRun folder("lines");
  const RunResult result = run_whole(parse(kDigits), folder);
  EXPECT_EQ(result.step, 60U);
  EXPECT_FALSE(result.stopped);
  const std::vector<nlohmann::json> lines = metrics_of(folder, true);
  ASSERT_EQ(lines.size(), 60U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["step"], i + 1);
    for (const char* name : {"loss", "lr", "grad_norm"}) EXPECT_TRUE(lines[i][name].is_number());
    EXPECT_GT(lines[i]["time"]["ms"], 0);
    EXPECT_GT(lines[i]["time"]["samples_per_second"], 0);
    EXPECT_EQ(lines[i].contains("validation_loss"), (i + 1) % 12 == 0);
    EXPECT_EQ(lines[i].contains("validation_accuracy"), (i + 1) % 12 == 0);
  }
  EXPECT_LT(lines.back()["loss"], 0.7 * lines.front()["loss"].get<double>());
}

TEST(TrainingLoop, LeavesALedgerWithTheHeadItReports) {
  const TemporaryRun folder("ledger");
  const RunResult result = run_whole(parse(kDigits), folder);
  const LedgerVerdict verdict = verify_ledger(folder.ledger());
  EXPECT_TRUE(verdict.intact) << verdict.fault;
  EXPECT_EQ(verdict.head, result.head);
  EXPECT_EQ(verdict.records, result.records);
}

TEST(TrainingLoop, AccumulatesTheMeanGradientOfItsBatches) {
  const auto first_line = [](const std::string& batch, const std::string& accumulate) {
    const TemporaryRun folder("accumulate");
    run_whole(parse(kDigits, {"train.steps=1", "train.batch=" + batch,
                              "optimizer.accumulate=" + accumulate}),
              folder);
    return metrics_of(folder).at(0);
  };
  const nlohmann::json halves = first_line("16", "2"), whole = first_line("32", "1");
  const double norm = whole["grad_norm"], loss = whole["loss"];
  EXPECT_NEAR(halves["grad_norm"], norm, 1e-5 * norm);
  EXPECT_NEAR(halves["loss"], loss, 1e-5 * loss);
  EXPECT_GT(std::abs(first_line("16", "1")["grad_norm"].get<double>() - norm), 1e-2 * norm);
}

TEST(TrainingLoop, KeepsTheBestWeightsWhenAsked) {
  const TemporaryRun folder("best");
  const Config config = parse(kDigits, {"optimizer.lr=0.05", "train.steps=200"});
  const RunResult result = run_whole(config, folder);
  double best = 1e9;
  std::uint64_t step = 0;
  for (const nlohmann::json& line : metrics_of(folder)) {
    if (!line.contains("validation_loss") || line["validation_loss"] >= best) continue;
    best = line["validation_loss"];
    step = line["step"];
  }
  EXPECT_EQ(result.kept_step, step);
  EXPECT_LT(step, 200U);  // otherwise this test shows nothing
  const TrainedModel model = load_trained(folder.model());
  EXPECT_EQ(evaluate(*model.network, make_task(model.config).validation).loss, best);
}

TEST(TrainingLoop, StopsWhenPatienceRunsOut) {
  const TemporaryRun folder("patience");
  const Config config = parse(kDigits, {"optimizer.lr=0", "train.patience=2"});
  const RunResult result = run_whole(config, folder);
  EXPECT_TRUE(result.early);
  EXPECT_EQ(result.step, 36U);  // the first look is the best, two more bring nothing
  EXPECT_EQ(run(config, folder).step, 36U);
}

TEST(TrainingLoop, AnEqualRunHasEqualFiles) {
  const TemporaryRun a("equal_a"), b("equal_b");
  run_whole(parse(kText), a);
  run_whole(parse(kText), b);
  expect_same_run(a, b);
}

TEST(TrainingLoop, AnotherSeedIsAnotherRun) {
  const TemporaryRun a("seed_a"), b("seed_b");
  run_whole(parse(kText), a);
  run_whole(parse(kText, {"seed=2"}), b);
  EXPECT_NE(metrics_of(a), metrics_of(b));
}

// docs/training.md: step s takes the batches a(s - 1) to as - 1, batch b the masks dropout/<b>.
TEST(TrainingLoop, EachBatchHasItsOwnMasks) {
  const TemporaryRun folder("masks");
  const Config config = parse(kConvolutional, {"optimizer.lr=0", "train.steps=5"});
  run_whole(config, folder);
  const TrainedModel model = load_trained(folder.model());
  const Task task = make_task(config);
  const std::vector<nlohmann::json> lines = metrics_of(folder);
  for (std::uint64_t step = 1; step <= 3; ++step) {
    double sum = 0;
    for (const std::uint64_t number : {2 * step - 2, 2 * step - 1}) {
      const Rng masks = Rng(config.seed).stream("dropout").stream(number);
      const Labelled batch = task.batches->at(number);
      Tape tape;
      nn::Run pass(tape, {.mode = nn::Mode::kTrain, .rng = &masks});
      const Var logits = model.network->forward(pass, tape.constant(batch.x));
      sum += cross_entropy(logits, batch.y).value().item();
    }
    EXPECT_EQ(lines[step - 1]["loss"], sum / 2);
  }
}

// How far one step of plain SGD moves the weights: the furthest, and all together.
struct Distance {
  double furthest = 0, norm = 0;
};

Distance distance(const std::string& set) {
  const TemporaryRun still("still"), moved("moved");
  std::vector<std::string> sets = {set, "optimizer.kind=sgd", "train.steps=1", "train.keep=last",
                                   "optimizer.lr=0"};
  run_whole(parse(kDigits, sets), still);
  sets.back() = "optimizer.lr=1";
  run_whole(parse(kDigits, sets), moved);
  const TrainedModel before = load_trained(still.model()), after = load_trained(moved.model());
  Distance distance;
  for (const Entry& entry : before.network->store().entries()) {
    const auto from = entry.value.values<float>();
    const auto to = after.network->store().at(entry.name).values<float>();
    for (std::size_t i = 0; i < from.size(); ++i) {
      const double way = std::abs(static_cast<double>(to[i]) - from[i]);
      distance.furthest = std::max(distance.furthest, way);
      distance.norm = std::hypot(distance.norm, way);
    }
  }
  return distance;
}

TEST(TrainingLoop, ClipsByValueAndByNorm) {
  EXPECT_NEAR(distance("optimizer.clip_value=1e-3").furthest, 1e-3, 1e-6);
  EXPECT_NEAR(distance("optimizer.clip_norm=1e-2").norm, 1e-2, 1e-5);
}

// Stops after each of `stops` in turn, each time in a fresh session, then runs to the end.
void expect_resumes(const char* text, const std::vector<std::uint64_t>& stops,
                    const RunFolder& whole) {
  const TemporaryRun parts("parts");
  const Config config = parse(text);
  parts.start(config);
  for (const std::uint64_t stop : stops) {
    const RunResult result = run(config, parts, stop);
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.step, stop);
  }
  EXPECT_FALSE(run(config, parts).stopped);
  expect_same_run(whole, parts);
}

TEST(TrainingLoop, GoesOnAsIfItHadNotStopped) {
  const TemporaryRun mlp("whole_mlp"), cnn("whole_cnn"), gpt("whole_gpt");
  run_whole(parse(kDigits), mlp);
  expect_resumes(kDigits, {1, 11, 12, 13, 14, 59}, mlp);
  run_whole(parse(kConvolutional), cnn);
  expect_resumes(kConvolutional, {1, 5, 10, 17}, cnn);
  run_whole(parse(kText), gpt);
  expect_resumes(kText, {3, 4, 9}, gpt);
}

// All that a crash may leave behind: files that are ahead of the checkpoint, a half written line.
TEST(TrainingLoop, DropsWhatIsAheadOfTheCheckpoint) {
  const TemporaryRun whole("ahead_whole"), folder("ahead");
  const Config config = parse(kDigits);
  run_whole(config, whole);
  folder.start(config);
  run(config, folder, 20);
  std::ofstream(folder.metrics(), std::ios::app) << R"({"step":21,"loss":0})"
                                                    "\n"
                                                    R"({"step":2)";
  std::ofstream(folder.ledger(), std::ios::app) << R"({"seq":99)";
  run(config, folder);
  expect_same_run(whole, folder);
}

TEST(TrainingLoop, RefusesToGoOnWithFilesOfAnotherRun) {
  const TemporaryRun folder("foreign");
  const Config config = parse(kDigits);
  folder.start(config);
  run(config, folder, 20);
  const std::string metrics = bytes_of(folder.metrics()), ledger = bytes_of(folder.ledger());
  std::ofstream(folder.metrics()) << metrics.substr(0, metrics.size() / 2);
  EXPECT_THROW(run(config, folder), FormatError);
  std::ofstream(folder.metrics()) << metrics;
  std::ofstream(folder.ledger()) << ledger.substr(0, ledger.size() / 2);
  EXPECT_THROW(run(config, folder), FormatError);
  EXPECT_EQ(bytes_of(folder.ledger()).size(), ledger.size() / 2);  // nothing was touched
  std::ofstream(folder.ledger()) << ledger;
  EXPECT_NO_THROW(run(config, folder));
}

TEST(TrainingLoop, RefusesToGoOnWithOtherSettings) {
  const TemporaryRun folder("edited");
  const Config config = parse(kDigits);
  folder.start(config);
  run(config, folder, 20);
  const std::string model = bytes_of(folder.model()), checkpoint = bytes_of(folder.checkpoint());
  for (const char* edit : {"seed=2", "optimizer.lr=0.5", "model.activation=tanh"}) {
    EXPECT_MESSAGE(run(parse(kDigits, {edit}), folder), FormatError,
                   folder.checkpoint() + ": was not taken with the settings of " + folder.config() +
                       "; a run keeps its settings");
  }
  EXPECT_TRUE(bytes_of(folder.model()) == model);
  EXPECT_TRUE(bytes_of(folder.checkpoint()) == checkpoint);
  Config moved = config;
  moved.data.dir = "elsewhere";
  EXPECT_FALSE(run(moved, folder).stopped);
}

// `PALINODE_RESUMES=100` makes it the count of issue size; twelve by default.
TEST(TrainingLoop, GoesOnAfterAnyStep) {
  const char* asked = std::getenv("PALINODE_RESUMES");
  const int count = asked == nullptr ? 12 : std::atoi(asked);
  const TemporaryRun whole("any_whole");
  run_whole(parse(kDigits), whole);
  std::mt19937 random(1);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t stop = 1 + random() % 59;
    SCOPED_TRACE(stop);
    expect_resumes(kDigits, {stop}, whole);
  }
}

TEST(TrainingLoop, EndsWhenAValueWouldNotBeFinite) {
  const TemporaryRun folder("diverges");
  const Config config =
      parse(kDigits, {"optimizer.kind=sgd", "optimizer.lr=1e3", "optimizer.weight_decay=10"});
  folder.start(config);
  EXPECT_THROW(run(config, folder), NonFiniteError);
}

TEST(TrainingLoop, SettingsThatDoNotFitTheDataAreUsage) {
  const TemporaryRun folder("unfit");
  EXPECT_MESSAGE(run_whole(parse(kDigits, {"data.name=austen"}), folder), ConfigError,
                 "data.name: austen holds text; model.kind mlp learns from images");
  EXPECT_MESSAGE(run_whole(parse(kText, {"data.name=digits"}), folder), ConfigError,
                 "data.name: digits holds images; model.kind gpt learns from text");
  EXPECT_MESSAGE(run_whole(parse(kDigits, {"data.validation=1198"}), folder), ConfigError,
                 "data.validation: expected fewer than the 1198 training images of digits, got "
                 "1198");
  EXPECT_MESSAGE(run_whole(parse(kDigits, {"train.batch=1001"}), folder), ConfigError,
                 "train.batch: expected at most the 1000 training images of digits, got 1001");
  EXPECT_THROW(run_whole(parse(kConvolutional, {"model.pool=[16]"}), folder), ConfigError);
}

}  // namespace
}  // namespace palinode::experiments::train
