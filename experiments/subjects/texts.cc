// austen-gpt: the committed language identity, byte by byte; its second domain is the King James
// Bible. tied-gpt: a small GPT whose head reads the token table, trained here on Austen.
#include <map>
#include <mutex>

#include "experiments/data_sets/data_set.h"
#include "experiments/data_sets/windows.h"
#include "experiments/embedded.h"
#include "experiments/subjects/subjects.h"
#include "experiments/tokenizer/tokenizer.h"
#include "experiments/train/model_io.h"
#include "nn/gpt.h"
#include "nn/model_file.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::experiments {
namespace {

using Tokens = std::shared_ptr<const std::vector<Token>>;

constexpr std::size_t kTrainWindows = 32, kHeldOutWindows = 64, kProbeWindows = 8;

// A text in the tokens of the language identity, whose alphabet has every byte of both.
struct Cut {
  Tokens train, validation;
};

const Tokenizer& tokenizer() { return austen_tokenizer(); }

Cut cut(const char* name) {
  static std::mutex mutex;
  static std::map<std::string, Cut, std::less<>> cuts;
  const std::scoped_lock lock(mutex);
  const auto found = cuts.find(name);
  if (found != cuts.end()) return found->second;
  const Text text = load_text(data_set(name));
  const auto encode = [](std::string_view part) {
    return std::make_shared<const std::vector<Token>>(tokenizer().encode(part));
  };
  return cuts[name] = {encode(text.train()), encode(text.validation())};
}

// Fixed windows, spread evenly over a text.
Labelled spread(const Tokens& tokens, std::size_t windows, std::size_t context) {
  const WindowCover cover(*tokens, 1, context);
  const std::size_t stride = cover.batches() / windows;
  std::vector<Tensor> x, y;
  for (std::size_t i = 0; i < windows; ++i) {
    const Labelled window = cover.at(i * stride);
    x.push_back(window.x);
    y.push_back(window.y);
  }
  return {concat(x, 0), concat(y, 0)};
}

Task text_task(const char* name, std::size_t context) {
  const Cut text = cut(name);
  Task task;
  task.name = name;
  task.batches = [tokens = text.train, context](const Rng& stream, std::size_t size) -> BatchAt {
    const auto windows = std::make_shared<Windows>(*tokens, stream, size, context);
    return [tokens, windows](std::uint64_t t) { return windows->at(t); };
  };
  task.train = spread(text.train, kTrainWindows, context);
  task.held_out = spread(text.validation, kHeldOutWindows, context);
  return task;
}

Tensor random_tokens(std::size_t windows, std::size_t context) {
  const Rng stream = Rng(0).stream("texts/random");
  TensorBuilder x({windows, context}, Dtype::kI32);
  const std::span<std::int32_t> values = x.values<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::int32_t>(stream.below(i, tokenizer().size()));
  }
  return std::move(x).build();
}

// All but the network and how it was trained.
void fill(Identity& identity, std::uint64_t seed, const Options& options, std::size_t context) {
  identity.rng = Rng(seed);
  identity.level = options.level;
  identity.data = "austen";
  identity.classes = tokenizer().size();
  identity.original = text_task("austen", context);
  identity.tasks.push_back(text_task("kjv", context));
  const Tensor halves[] = {identity.original.train.x.rows(0, kProbeWindows),
                           identity.original.held_out.x.rows(0, kProbeWindows)};
  identity.probes = concat(halves, 0);
  identity.probe_sets = {{"in-distribution", halves[0]},
                         {"held-out", halves[1]},
                         {"adaptation", identity.shifted().held_out.x.rows(0, kProbeWindows)},
                         {"random", random_tokens(kProbeWindows, context)}};
}

std::unique_ptr<Identity> make_austen(std::uint64_t seed, const Options& options) {
  auto identity = std::make_unique<Identity>();
  identity->ledger = std::make_unique<Ledger>(options.level);
  const char* name = "austen_gpt.safetensors";
  nn::LoadedModel loaded = nn::load_model(
      *identity->ledger, parse_safetensors(embedded::austen_gpt_safetensors(), name), name);
  const auto config = std::get<nn::GptConfig>(loaded.config);
  identity->model = "gpt-4-128";
  identity->theta = loaded.store;
  identity->network = std::move(loaded.network);
  identity->build = [config](const Store& theta) {
    return std::make_unique<nn::Gpt>(theta, config);
  };
  fill(*identity, seed, options, config.context);
  identity->recipes = {{Mechanism::kSgd, {0.2, 0.5, 16}},
                       {Mechanism::kMomentum, {0.05, 0.1, 16}},
                       {Mechanism::kAdam, {1e-3, 4e-3, 16}},
                       {Mechanism::kAdamW, {1e-3, 4e-3, 16}}};
  identity->target = 0.57;  // of the next bytes of the Bible, which f0 names at 0.50
  identity->most_steps = 800;
  identity->back_steps = 40;
  identity->back_batch = 16;
  finish(*identity);
  return identity;
}

std::unique_ptr<Identity> make_tied(std::uint64_t seed, const Options& options) {
  const nn::GptConfig config = {.vocab = tokenizer().size(),
                                .context = 32,
                                .layers = 2,
                                .heads = 2,
                                .width = 64,
                                .tied = true};
  auto identity = std::make_unique<Identity>();
  identity->ledger = std::make_unique<Ledger>(options.level);
  identity->model = "gpt-2-64-tied";
  identity->theta = &identity->ledger->open("theta", Role::kIdentity);
  identity->build = [config](const Store& theta) {
    return std::make_unique<nn::Gpt>(theta, config);
  };
  identity->network = identity->build(*identity->theta);
  fill(*identity, seed, options, config.context);
  identity->recipes = {{Mechanism::kSgd, {0.5, 0.5, 16}},
                       {Mechanism::kMomentum, {0.1, 0.1, 16}},
                       {Mechanism::kAdam, {2e-3, 8e-3, 16}},
                       {Mechanism::kAdamW, {2e-3, 8e-3, 16}}};
  identity->target = 0.44;
  identity->most_steps = 600;
  identity->back_steps = 60;
  identity->back_batch = 16;
  identity->init = [build = identity->build, stream = identity->rng.stream("init")](
                       const Store& theta) { return build(theta)->init(stream); };
  identity->pretraining = {
      .loss = task_loss(identity->original, identity->rng.stream("identity"), 16),
      .optimizer = rbl::adam({.lr = 3e-3}),
      .steps = 1000};
  identity->ledger->commit(identity->init(*identity->theta));
  rbl::run(*identity->ledger, *identity->theta, *identity->network, identity->pretraining,
           {.state = "adam.theta", .seed = seed});
  finish(*identity);
  return identity;
}

}  // namespace

const Tokenizer& austen_tokenizer() {
  static const Tokenizer kTokenizer = byte_tokenizer(load_text(data_set("austen")).bytes);
  return kTokenizer;
}

extern const std::vector<SubjectInfo> kTextSubjects = {
    {"austen-gpt", "gpt-4-128", "austen", "the committed language identity; 822,528 weights",
     Scale::kLarge, make_austen},
    {"tied-gpt", "gpt-2-64-tied", "austen", "its head reads the token table; 107,000 weights",
     Scale::kLarge, make_tied}};

}  // namespace palinode::experiments
