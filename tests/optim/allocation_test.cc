// A training step, once the pool knows its sizes, takes nothing from the heap: no model, no
// optimizer, no ledger level does. Every way to the heap is counted.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "autograd/ops.h"
#include "nn/cnn.h"
#include "nn/gpt.h"
#include "nn/llama.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tensor/ledger.h"
#include "tensor/parallel.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PALINODE_COUNTS_ALLOCATIONS 0  // the sanitizer has a heap of its own
#else
#define PALINODE_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<std::size_t> allocations = 0;
}  // namespace

#if PALINODE_COUNTS_ALLOCATIONS
// glibc's own names of what these replace.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* block, std::size_t bytes) {
  ++allocations;
  return __libc_realloc(block, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
}
#endif

namespace palinode {
namespace {

struct Batch {
  Tensor x, labels;
};

Tensor some_labels(std::size_t rows, std::uint64_t classes) {
  TensorBuilder builder({rows}, Dtype::kI32);
  for (std::size_t i = 0; i < rows; ++i) {
    builder.values<std::int32_t>()[i] = static_cast<std::int32_t>(Rng(1).below(i, classes));
  }
  return std::move(builder).build();
}

void train_step(Ledger& ledger, const Store& theta, const nn::Network& model,
                const optim::Optimizer& optimizer, const Batch& batch, const Rng& dropout) {
  Tape tape;
  nn::Run run(tape, {.mode = nn::Mode::kTrain, .rng = &dropout});
  const Var logits = model.forward(run, tape.constant(batch.x));
  const Var loss = cross_entropy(logits, batch.labels);
  const Gradients gradients = backward(loss);
  const double norm = optim::global_norm(gradients, theta);
  Proposal step = optimizer.propose(gradients, {.scale = optim::clip_factor(norm, 1.0)});
  run.add_buffers(step);
  ledger.commit(step);
}

// Heap allocations of ten steps, once a steady state is reached: which thread does what is open, so
// one may need its first scratch memory late. An allocation in every step never ends.
std::size_t allocations_of(Ledger& ledger, const Store& theta, const nn::Network& model,
                           const optim::Optimizer& optimizer, const Batch& batch) {
  const Rng dropout = Rng(2).stream("dropout");
  std::size_t last = 0;
  for (int ten = 0; ten < 10; ++ten) {
    const std::size_t before = allocations;
    for (int step = 0; step < 10; ++step) {
      train_step(ledger, theta, model, optimizer, batch, dropout);
    }
    last = allocations - before;
    if (last == 0) break;
  }
  return last;
}

struct Trained {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  const Store& state = ledger.open("state", Role::kOptimizer);
};

struct SteadyState : testing::TestWithParam<std::size_t> {
  SteadyState() {
    if (PALINODE_COUNTS_ALLOCATIONS == 0) return;
    set_threads(GetParam());
  }
  ~SteadyState() override { set_threads(before_); }

  void SetUp() override {
    if (PALINODE_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "built with a sanitizer";
  }

  template <class Model, class Optimizer>
  void expect_none(const Model& model, const Optimizer& optimizer, const Batch& batch) {
    one_.ledger.commit(model.init(Rng(3)));
    EXPECT_EQ(allocations_of(one_.ledger, one_.theta, model, optimizer, batch), 0U);
  }

  Trained one_;

 private:
  std::size_t before_ = threads();
};

TEST(Counting, SeesEveryWayToTheHeap) {
  if (PALINODE_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "built with a sanitizer";
  const std::size_t before = allocations;
  void* volatile block = std::malloc(100);  // volatile: or the compiler may leave it out
  std::free(block);
  block = std::aligned_alloc(64, 128);
  std::free(block);
  block = ::operator new(100);
  ::operator delete(block);
  EXPECT_GE(allocations - before, 3U);
}

TEST_P(SteadyState, OfAnMlpWithSgd) {
  const nn::Mlp model(one_.theta, {.sizes = {64, 256, 128, 10}});
  const optim::Sgd sgd(one_.state, one_.theta, {.lr = 1e-2, .momentum = 0.9, .nesterov = true});
  expect_none(model, sgd, {Rng(1).normal({64, 64}, Dtype::kF32), some_labels(64, 10)});
}

TEST_P(SteadyState, OfAnMlpWithRmsPropWhoseParametersHaveLongNames) {
  const Store& theta =
      one_.ledger.open("a.store.with.a.name.beyond.any.string.in.place", Role::kIdentity);
  const nn::Mlp model(theta, {.sizes = {300, 300, 10}, .precision = Precision::kFast});
  const optim::RmsProp rmsprop(one_.state, theta, {.momentum = 0.5, .centered = true});
  one_.ledger.commit(model.init(Rng(3)));
  EXPECT_EQ(allocations_of(one_.ledger, theta, model, rmsprop,
                           {Rng(1).normal({64, 300}, Dtype::kF32), some_labels(64, 10)}),
            0U);
}

TEST_P(SteadyState, OfACnnWithBatchNormalizationAndDropout) {
  const nn::Cnn model(one_.theta, one_.buffers,
                      {.height = 14, .width = 14, .batch_norm = true, .dropout = 0.25});
  const optim::Adam adam(one_.state, one_.theta, {});
  expect_none(model, adam, {Rng(1).normal({32, 14, 14, 1}, Dtype::kF32), some_labels(32, 10)});
}

TEST_P(SteadyState, OfAGpt) {
  const nn::Gpt model(one_.theta,
                      {.vocab = 65, .context = 32, .layers = 2, .width = 64, .dropout = 0.1});
  const optim::AdamW adamw(one_.state, one_.theta, {});
  expect_none(model, adamw, {some_labels(8 * 32, 65).reshape({8, 32}), some_labels(8 * 32, 65)});
}

TEST_P(SteadyState, OfALlamaWithCheckpointedBlocks) {
  const nn::Llama model(one_.theta, {.vocab = 65,
                                     .context = 32,
                                     .layers = 2,
                                     .width = 64,
                                     .hidden = 96,
                                     .tied = true,
                                     .checkpointing = true});
  const optim::Adam adam(one_.state, one_.theta, {});
  expect_none(model, adam, {some_labels(8 * 32, 65).reshape({8, 32}), some_labels(8 * 32, 65)});
}

// A low-rank change of each layer of an MLP, added in the layer's own product.
class Changed : public nn::Seam {
 public:
  explicit Changed(const Store& phi) : phi_(&phi) {}
  std::optional<nn::LowRankChange> low_rank(nn::Run& run, std::string_view site) const override {
    const bool first = site == "layer.0";
    const Var a = run.tape().parameter(*phi_, first ? "a.0" : "a.1");
    const Var b = run.tape().parameter(*phi_, first ? "b.0" : "b.1");
    return nn::LowRankChange{a, b, 2.0};
  }
  Sha256Digest key() const override { return content_key(*phi_); }

 private:
  const Store* phi_;
};

TEST_P(SteadyState, OfALowRankChangeOfAFrozenMlp) {
  const nn::Mlp model(one_.theta, {.sizes = {64, 128, 10}});
  one_.ledger.commit(model.init(Rng(3)));
  one_.ledger.freeze(one_.theta);
  const Store& phi = one_.ledger.open("phi", Role::kBehavior);
  const auto normal = [&](const char* name, const Shape& shape) {
    return Write{&phi, name, Rng(4).stream(name).normal(shape, Dtype::kF32), true};
  };
  one_.ledger.commit({.proposer = "test",
                      .writes = {normal("a.0", {64, 8}), normal("b.0", {8, 128}),
                                 normal("a.1", {128, 8}), normal("b.1", {8, 10})}});
  const optim::Adam adam(one_.state, phi, {});
  const Changed seam(phi);
  const Batch batch = {Rng(1).normal({64, 64}, Dtype::kF32), some_labels(64, 10)};
  std::size_t last = 0;
  for (int ten = 0; ten < 10; ++ten) {
    const std::size_t before = allocations;
    for (int step = 0; step < 10; ++step) {
      Tape tape;
      nn::Run run(tape, &seam);
      const Var logits = model.forward(run, tape.constant(batch.x));
      one_.ledger.commit(adam.propose(backward(cross_entropy(logits, batch.labels))));
    }
    last = allocations - before;
    if (last == 0) break;
  }
  EXPECT_EQ(last, 0U);
}

TEST_P(SteadyState, OfAnMlpWithAJournalInAFile) {
  const std::string path =
      testing::TempDir() + "palinode_allocations_" + std::to_string(::getpid()) + ".jsonl";
  {
    Ledger ledger(Ledger::Level::kJournal, path);
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const nn::Mlp model(theta, {.sizes = {64, 64, 10}});
    const optim::Adam adam(ledger.open("state", Role::kOptimizer), theta, {});
    ledger.commit(model.init(Rng(3)));
    EXPECT_EQ(allocations_of(ledger, theta, model, adam,
                             {Rng(1).normal({32, 64}, Dtype::kF32), some_labels(32, 10)}),
              0U);
  }
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".journal");
}

INSTANTIATE_TEST_SUITE_P(Threads, SteadyState, testing::Values(1, 2));

}  // namespace
}  // namespace palinode
