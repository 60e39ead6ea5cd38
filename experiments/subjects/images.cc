// fashion-mlp, fashion-cnn: Fashion-MNIST. The MLP's shifted task renames the classes of images
// turned by a quarter; the CNN's second task is MNIST, whose digits take the ten outputs.
#include <fmt/format.h>

#include <mutex>

#include "experiments/data_sets/data_set.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/subjects/subjects.h"
#include "nn/cnn.h"
#include "nn/mlp.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

// Enough to learn from, and little enough for many seeds on two cores.
constexpr std::size_t kTrain = 6000, kHeldOut = 1000, kShiftedTrain = 2000, kProbesEach = 128;
constexpr std::size_t kClasses = 10;

// The first rows, copied, so that the rest of the set is not kept alive by them.
Labelled first(const Labelled& from, std::size_t count) {
  const Labelled rows = from.rows(0, count);
  return {rows.x.copy(), rows.y.copy()};
}

// As much of a set as is used, loaded once, when first asked for.
const Images& image_set(const char* name) {
  static std::mutex mutex;
  static std::map<std::string, Images, std::less<>> loaded;
  const std::scoped_lock lock(mutex);
  const auto found = loaded.find(name);
  if (found != loaded.end()) return found->second;
  const Images all = load_images(data_set(name));
  return loaded[name] = {first(all.train, kTrain), first(all.test, kHeldOut), all.classes};
}

// Turned 90 degrees clockwise: [n, h, w, c].
Labelled turned(const Labelled& images) {
  const Shape& shape = images.x.shape();
  const std::size_t n = shape[0], h = shape[1], w = shape[2];
  TensorBuilder x({n, w, h, 1}, Dtype::kF32);
  const Tensor from = images.x.compact();
  const std::span<const float> source = from.values<float>();
  const std::span<float> target = x.values<float>();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t row = 0; row < h; ++row) {
      for (std::size_t column = 0; column < w; ++column) {
        target[(i * w + column) * h + (h - 1 - row)] = source[(i * h + row) * w + column];
      }
    }
  }
  return {std::move(x).build(), images.y};
}

struct Recipes {
  std::map<Mechanism, Recipe> recipes;
  double lr = 0;  // of the pretraining, with Adam
  std::uint64_t steps = 0;
  std::size_t batch = 0;
};

std::unique_ptr<Identity> make(std::uint64_t seed, const Options& options, std::string model,
                               std::function<std::unique_ptr<nn::Network>(const Store&)> build,
                               Task shifted, const Recipes& recipes) {
  const Images& fashion = image_set("fashion-mnist");
  auto identity = std::make_unique<Identity>();
  identity->ledger = std::make_unique<Ledger>(options.level);
  identity->rng = Rng(seed);
  identity->level = options.level;
  identity->model = std::move(model);
  identity->data = "fashion-mnist";
  identity->classes = kClasses;
  identity->theta = &identity->ledger->open("theta", Role::kIdentity);
  identity->build = std::move(build);
  identity->network = identity->build(*identity->theta);
  const Labelled train = first(fashion.train, kTrain), held_out = first(fashion.test, kHeldOut);
  identity->original = labelled_task("fashion-mnist", train, held_out);
  identity->tasks.push_back(std::move(shifted));
  identity->recipes = recipes.recipes;
  identity->target = 0.9;
  identity->most_steps = 2000;
  identity->back_steps = 100;
  identity->back_batch = recipes.batch;
  identity->probes = probes_of(train, held_out, kProbesEach);
  identity->probe_sets = {
      {"in-distribution", train.x.rows(0, kProbesEach)},
      {"held-out", held_out.x.rows(0, kProbesEach)},
      {"adaptation", identity->shifted().held_out.x.rows(0, kProbesEach)},
      {"random", random_inputs(train.x, kProbesEach, 0, 1, Rng(0).stream("fashion/random"))}};
  identity->init = [network_of = identity->build, stream = identity->rng.stream("init")](
                       const Store& theta) { return network_of(theta)->init(stream); };
  identity->pretraining = {
      .loss = task_loss(identity->original, identity->rng.stream("identity"), recipes.batch),
      .optimizer = rbl::adam({.lr = recipes.lr}),
      .steps = recipes.steps};
  identity->ledger->commit(identity->init(*identity->theta));
  rbl::run(*identity->ledger, *identity->theta, *identity->network, identity->pretraining,
           {.state = "adam.theta", .seed = seed});
  finish(*identity);
  return identity;
}

std::unique_ptr<Identity> make_mlp(std::uint64_t seed, const Options& options) {
  const Images& fashion = image_set("fashion-mnist");
  const nn::MlpConfig config = {.sizes = {784, 128, kClasses}, .activation = nn::Activation::kTanh};
  const auto shifted = [](const Labelled& images) {
    return with_labels_moved(turned(images), 3, kClasses);
  };
  return make(seed, options, "mlp-784-128-10",
              [config](const Store& theta) { return std::make_unique<nn::Mlp>(theta, config); },
              labelled_task("fashion-shifted", shifted(first(fashion.train, kShiftedTrain)),
                            shifted(first(fashion.test, kHeldOut))),
              {.recipes = {{Mechanism::kSgd, {0.1, 0.07, 32}},
                           {Mechanism::kMomentum, {0.02, 0.02, 32}},
                           {Mechanism::kAdam, {1e-3, 4e-3, 32}},
                           {Mechanism::kAdamW, {1e-3, 4e-3, 32}},
                           {Mechanism::kPolicyGradient, {1e-3, 4e-3, 64}}},
               .lr = 1e-3,
               .steps = 800,
               .batch = 32});
}

std::unique_ptr<Identity> make_cnn(std::uint64_t seed, const Options& options) {
  const Images& mnist = image_set("mnist");
  const nn::CnnConfig config = {.blocks = {{16, 3, 2}, {32, 3, 2}}, .hidden = {64}};
  return make(
      seed, options, "cnn-16-32-64",
      [config](const Store& theta) { return std::make_unique<nn::Cnn>(theta, config); },
      labelled_task("mnist", first(mnist.train, kShiftedTrain), first(mnist.test, kHeldOut)),
      {.recipes = {{Mechanism::kSgd, {0.05, 0.03, 32}},
                   {Mechanism::kMomentum, {0.01, 0.005, 32}},
                   {Mechanism::kAdam, {1e-3, 4e-3, 32}},
                   {Mechanism::kAdamW, {1e-3, 4e-3, 32}},
                   {Mechanism::kPolicyGradient, {1e-3, 4e-3, 64}}},
       .lr = 2e-3,
       .steps = 400,
       .batch = 64});
}

}  // namespace

extern const std::vector<SubjectInfo> kImageSubjects = {
    {"fashion-mlp", "mlp-784-128-10", "fashion-mnist", "28x28 clothes; 101,770 weights",
     Scale::kMedium, make_mlp, [] { image_set("fashion-mnist"); }},
    {"fashion-cnn", "cnn-16-32-64", "fashion-mnist",
     "28x28 clothes, then MNIST as second task; 105,866 weights", Scale::kLarge, make_cnn, [] {
       image_set("fashion-mnist");
       image_set("mnist");
     }}};

}  // namespace palinode::experiments
