// A run that is killed and resumed ends in the bits of the run that was not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tensor/checkpoint.h"
#include "tensor/ledger_file.h"

namespace palinode::optim {
namespace {

constexpr std::uint64_t kSteps = 24;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

struct Ending {
  Sha256Digest weights, state, head;
  std::string ledger;
  bool operator==(const Ending&) const = default;
};

using Make = std::unique_ptr<Optimizer> (*)(const Store& state, const Store& theta);

// The program: the same for a run that begins and for one that goes on.
class Training {
 public:
  Training(std::unique_ptr<Ledger> ledger, Make make)
      : ledger_(std::move(ledger)),
        theta_(ledger_->open("theta", Role::kIdentity)),
        state_(ledger_->open("state", Role::kOptimizer)),
        model_(theta_, {.sizes = {6, 5, 3}}) {
    if (theta_.entries().empty()) ledger_->commit(model_.init(rng_.stream("init")));
    optimizer_ = make(state_, theta_);
  }

  std::uint64_t steps() const { return optimizer_->steps(); }
  const Ledger& ledger() const { return *ledger_; }

  // One step on inputs half of which are dropped, by an address that has the step in it.
  void step() {
    const Rng at = rng_.stream("step").stream(steps());
    const Tensor x = at.stream("x").normal({4, 6}, Dtype::kF32);
    std::vector<float> kept(24);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      kept[i] = at.stream("dropout").uniform(i) < 0.5 ? 0.0F : 2.0F;
    }
    Tape tape;
    nn::Run run(tape);
    const Var input = tape.constant(x);
    const Var dropped = mul(input, tape.constant(Tensor::from<float>(kept, {4, 6})));
    const Var y = model_.forward(run, dropped);
    ledger_->commit(
        optimizer_->propose(backward(cross_entropy(y, Tensor::full<std::int32_t>({4}, 1)))));
  }

  Ending ending(const std::string& path) const {
    return {fingerprint(theta_), fingerprint(state_), ledger_->head(), bytes_of(path)};
  }

 private:
  Rng rng_{7};
  std::unique_ptr<Ledger> ledger_;
  const Store& theta_;
  const Store& state_;
  nn::Mlp model_;
  std::unique_ptr<Optimizer> optimizer_;
};

const Schedule kRate = ScheduleConfig{.peak = 0.05, .warmup = 5, .steps = kSteps};

class Resume : public testing::TestWithParam<Make> {
 protected:
  Resume() { std::filesystem::create_directory(folder_); }
  ~Resume() override { std::filesystem::remove_all(folder_); }

  Ending uninterrupted(Ledger::Level level) const {
    Training run(std::make_unique<Ledger>(level, path_), GetParam());
    while (run.steps() < kSteps) run.step();
    return run.ending(path_);
  }

  // A run killed after `killed` steps, the last checkpoint being that after `saved`, and a piece of
  // the ledger's last bytes lost; then resumed.
  Ending interrupted(Ledger::Level level, std::uint64_t saved, std::uint64_t killed,
                     std::uint64_t draw) const {
    std::uint64_t at_checkpoint = 0;
    {
      Training run(std::make_unique<Ledger>(level, path_), GetParam());
      while (run.steps() < saved) run.step();
      save_checkpoint(checkpoint_, run.ledger(), {{"step", std::to_string(saved)}});
      at_checkpoint = std::filesystem::file_size(path_);
      while (run.steps() < killed) run.step();
    }
    const std::uint64_t all = std::filesystem::file_size(path_);
    std::filesystem::resize_file(path_, at_checkpoint + draw % (all - at_checkpoint + 1));
    Training run(std::make_unique<Ledger>(load_checkpoint(checkpoint_), path_), GetParam());
    EXPECT_EQ(run.steps(), saved);
    while (run.steps() < kSteps) run.step();
    return run.ending(path_);
  }

  std::string folder_ = testing::TempDir() + "palinode_resume_" + std::to_string(::getpid()) + "/";
  std::string path_ = folder_ + "ledger.jsonl", checkpoint_ = folder_ + "last.safetensors";
};

TEST_P(Resume, FromAHundredRandomStepsEndsInTheSameBits) {
  const Ending want = uninterrupted(Ledger::Level::kDigest);
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 100; ++trial) {
    const std::uint64_t saved = random() % (kSteps + 1);
    const std::uint64_t killed = saved + random() % (kSteps + 1 - saved);
    ASSERT_TRUE(interrupted(Ledger::Level::kDigest, saved, killed, random()) == want)
        << "checkpoint after " << saved << ", killed after " << killed;
  }
  EXPECT_TRUE(verify_ledger(path_).intact);
}

TEST_P(Resume, AtEveryLevel) {
  for (const auto level : {Ledger::Level::kOff, Ledger::Level::kSummary}) {
    const Ending want = uninterrupted(level);
    EXPECT_TRUE(interrupted(level, 9, 17, 1234) == want);
  }
}

TEST_P(Resume, TwiceInARow) {
  const Ending want = uninterrupted(Ledger::Level::kDigest);
  interrupted(Ledger::Level::kDigest, 3, 12, 100);
  Training run(std::make_unique<Ledger>(load_checkpoint(checkpoint_), path_), GetParam());
  while (run.steps() < kSteps) run.step();
  EXPECT_TRUE(run.ending(path_) == want);
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, Resume,
    testing::Values(
        [](const Store& state, const Store& theta) -> std::unique_ptr<Optimizer> {
          return std::make_unique<Sgd>(state, theta,
                                       SgdConfig{.lr = kRate, .momentum = 0.9, .nesterov = true});
        },
        [](const Store& state, const Store& theta) -> std::unique_ptr<Optimizer> {
          return std::make_unique<Adam>(state, theta, AdamConfig{.lr = kRate});
        },
        [](const Store& state, const Store& theta) -> std::unique_ptr<Optimizer> {
          return std::make_unique<RmsProp>(state, theta,
                                           RmsPropConfig{.momentum = 0.5, .centered = true});
        }));

}  // namespace
}  // namespace palinode::optim
