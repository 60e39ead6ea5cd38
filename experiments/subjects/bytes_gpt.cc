// bytes-gpt: a small GPT that reads bytes, trained here. Its sequences leave places of its context
// free, which a soft prompt can take.
#include <memory>
#include <vector>

#include "experiments/data_sets/data_set.h"
#include "experiments/data_sets/windows.h"
#include "experiments/subjects/subjects.h"
#include "nn/gpt.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kSequence = 32, kRoom = 8, kBatch = 8, kProbesEach = 32;
constexpr std::uint64_t kPretraining = 100;

std::vector<Token> bytes_of(std::string_view name) {
  const Text text = load_text(data_set(name));
  std::vector<Token> bytes;
  for (const char c : text.train()) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

struct Texts {
  std::vector<Token> devil, kjv, austen;
};

const Texts& texts() {
  static const Texts kTexts = {bytes_of("devil"), bytes_of("kjv"), bytes_of("austen")};
  return kTexts;
}

Task text_task(std::string name, const std::vector<Token>& tokens) {
  Task task;
  task.name = std::move(name);
  task.batches = [&tokens](const Rng& stream, std::size_t size) -> BatchAt {
    return [windows = Windows(tokens, stream, size, kSequence)](std::uint64_t t) {
      return windows.at(t);
    };
  };
  const WindowCover cover(tokens, 64, kSequence);
  task.train = cover.at(0);
  task.held_out = cover.at(cover.batches() - 2);
  return task;
}

Tensor random_bytes() {
  const Rng stream = Rng(0).stream("bytes/random");
  std::vector<std::int32_t> bytes(kProbesEach * kSequence);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::int32_t>(stream.below(i, 256));
  }
  return Tensor::from<std::int32_t>(bytes, {kProbesEach, kSequence});
}

std::unique_ptr<Identity> make(std::uint64_t seed, const Options& options) {
  auto identity = std::make_unique<Identity>();
  identity->rng = Rng(seed);
  identity->level = options.level;
  identity->model = "gpt-2x32-bytes";
  identity->data = "devil";
  identity->classes = 256;
  identity->room = kRoom;
  identity->ledger = std::make_unique<Ledger>(options.level);
  identity->theta = &identity->ledger->open("theta", Role::kIdentity);
  identity->build = [](const Store& theta) {
    return std::make_unique<nn::Gpt>(
        theta,
        nn::GptConfig{
            .vocab = 256, .context = kSequence + kRoom, .layers = 2, .heads = 2, .width = 32});
  };
  identity->network = identity->build(*identity->theta);
  identity->original = text_task("devil", texts().devil);
  identity->tasks = {text_task("kjv", texts().kjv), text_task("austen", texts().austen)};
  identity->recipes = {{Mechanism::kSgd, {0.5, 0.5, kBatch}},
                       {Mechanism::kMomentum, {0.1, 0.1, kBatch}},
                       {Mechanism::kAdam, {3e-3, 1e-2, kBatch}},
                       {Mechanism::kAdamW, {3e-3, 1e-2, kBatch}}};
  identity->target = 0.33;  // of the next bytes of the Bible, which f0 names at 0.29
  identity->most_steps = 200;
  identity->back_steps = 40;
  identity->back_batch = kBatch;
  identity->probes = identity->original.held_out.x;
  identity->probe_sets = {{"in-distribution", identity->original.train.x.rows(0, kProbesEach)},
                          {"held-out", identity->original.held_out.x.rows(0, kProbesEach)},
                          {"adaptation", identity->shifted().held_out.x.rows(0, kProbesEach)},
                          {"random", random_bytes()}};
  identity->init = [build = identity->build, stream = identity->rng.stream("init")](
                       const Store& theta) { return build(theta)->init(stream); };
  identity->pretraining = {
      .loss = task_loss(identity->original, identity->rng.stream("identity"), kBatch),
      .optimizer = rbl::adam({.lr = 3e-3}),
      .steps = kPretraining};
  identity->ledger->commit(identity->init(*identity->theta));
  rbl::run(*identity->ledger, *identity->theta, *identity->network, identity->pretraining,
           {.state = "adam.theta", .seed = seed});
  finish(*identity);
  return identity;
}

}  // namespace

extern const std::vector<SubjectInfo> kByteSubjects = {
    {"bytes-gpt", "gpt-2x32-bytes", "devil",
     "bytes, with room for a soft prompt in its context; 43,136 weights", Scale::kMedium, make}};

}  // namespace palinode::experiments
