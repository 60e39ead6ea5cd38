// A journal takes training back: the exact bits of weights and moments, and the way on from there.
#include "tensor/undo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"

namespace palinode::optim {
namespace {

// The MLP of the digits under Adam, on numbered random batches.
class Training {
 public:
  explicit Training(std::unique_ptr<Ledger> ledger) : ledger_(std::move(ledger)) {
    if (theta_.entries().empty()) ledger_->commit(model_.init(Rng(3).stream("init")));
  }

  void train(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      const Rng at = Rng(4).stream(adam_.steps());
      TensorBuilder labels({32}, Dtype::kI32);
      for (std::size_t k = 0; k < 32; ++k) {
        labels.values<std::int32_t>()[k] = static_cast<std::int32_t>(at.below(k, 10));
      }
      Tape tape;
      nn::Run run(tape);
      const Var x = tape.constant(at.stream("x").normal({32, 64}, Dtype::kF32));
      const Var logits = model_.forward(run, x);
      const Gradients gradients = backward(cross_entropy(logits, std::move(labels).build()));
      ledger_->commit(adam_.propose(gradients));
    }
  }

  Ledger& ledger() { return *ledger_; }
  std::uint64_t steps() const { return adam_.steps(); }
  Sha256Digest weights() const { return fingerprint(theta_); }
  Sha256Digest moments() const { return fingerprint(state_); }

 private:
  std::unique_ptr<Ledger> ledger_;
  const Store& theta_ = ledger_->open("theta", Role::kIdentity);
  const Store& state_ = ledger_->open("adam", Role::kOptimizer);
  nn::Mlp model_{theta_, {.sizes = {64, 64, 10}}};
  Adam adam_{state_, theta_, {.lr = 1e-3}};
};

TEST(UndoOfTraining, OfFiveHundredStepsOfAdamRestoresEveryBit) {
  Training run(std::make_unique<Ledger>(Ledger::Level::kJournal));
  run.train(20);
  const std::uint64_t good = run.ledger().sequence() - 1;
  const Sha256Digest weights = run.weights(), moments = run.moments();
  run.train(500);
  const Sha256Digest trained = run.weights();
  EXPECT_NE(trained, weights);
  run.ledger().commit(undo(run.ledger(), good));
  EXPECT_EQ(run.weights(), weights);
  EXPECT_EQ(run.moments(), moments);
  EXPECT_EQ(run.steps(), 20U);
  run.train(500);  // the same way again
  EXPECT_EQ(run.weights(), trained);
}

TEST(UndoOfTraining, TakesTheMomentsAwayThatWereNotThereYet) {
  Training run(std::make_unique<Ledger>(Ledger::Level::kJournal));
  const std::uint64_t good = run.ledger().sequence() - 1;
  run.train(5);
  const Sha256Digest weights = run.weights();
  run.ledger().commit(undo(run.ledger(), good));
  EXPECT_EQ(run.steps(), 0U);
  run.train(5);
  EXPECT_EQ(run.weights(), weights);
}

TEST(UndoOfTraining, WorksFromTheFileOfARunThatWasResumed) {
  const std::string path =
      testing::TempDir() + "palinode_undo_run_" + std::to_string(::getpid()) + ".jsonl";
  Training run(std::make_unique<Ledger>(Ledger::Level::kJournal, path));
  run.train(7);
  const std::uint64_t good = run.ledger().sequence() - 1;
  const Sha256Digest weights = run.weights(), moments = run.moments();
  run.train(4);
  const Checkpoint taken = checkpoint_of(run.ledger());
  run.train(3);  // lost
  Training resumed(std::make_unique<Ledger>(taken, path));
  resumed.train(2);
  resumed.ledger().commit(undo(resumed.ledger(), good));
  EXPECT_EQ(resumed.weights(), weights);
  EXPECT_EQ(resumed.moments(), moments);
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_TRUE(verdict.intact) << verdict.fault;
  EXPECT_EQ(verdict.head, resumed.ledger().head());
  EXPECT_EQ(first_difference(replay_ledger(path), checkpoint_of(resumed.ledger())), "");
  std::filesystem::remove(path);
  std::filesystem::remove(journal_path(path));
}

}  // namespace
}  // namespace palinode::optim
