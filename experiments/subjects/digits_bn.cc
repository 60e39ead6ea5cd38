// The 8x8 digits and two networks with BatchNorm: digits-bn, a small CNN, and digits-bn-mlp, an
// MLP. Their identity is theta and the running statistics, both frozen; every trial on one reads
// those of the identity. The first weights and the statistics come from passes in train mode, so
// there is no course that would make them again.
#include "experiments/digits.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/subjects/subjects.h"
#include "nn/model_config.h"

namespace palinode::experiments {
namespace {

constexpr std::uint64_t kSteps = 200;
constexpr std::size_t kBatch = 32;

Labelled shaped(const Labelled& rows, bool as_images) {
  return as_images ? Labelled{rows.x.reshape({rows.size(), 8, 8, 1}), rows.y} : rows;
}

nn::CnnConfig cnn() {
  return {.height = 8,
          .width = 8,
          .channels = 1,
          .blocks = {{8, 3, 2}, {16, 3, 2}},
          .hidden = {32},
          .classes = 10,
          .batch_norm = true};
}

nn::MlpConfig mlp() { return {.sizes = {64, 64, 32, 10}, .batch_norm = true}; }

void pretrain(Identity& identity) {
  Ledger& ledger = *identity.ledger;
  const Store& state = ledger.open("adam.theta", Role::kOptimizer);
  const auto optimizer = rbl::adam({.lr = 4e-3})(state, *identity.theta);
  const rbl::Loss loss = task_loss(identity.original, identity.rng.stream("identity"), kBatch);
  for (std::uint64_t t = 0; t < kSteps; ++t) {
    Tape tape;
    nn::Run run(tape, {.mode = nn::Mode::kTrain});
    const Var value = loss(run, *identity.network, t);
    Proposal proposal = optimizer->propose(backward(value));
    proposal.seed = identity.rng.seed();
    run.add_buffers(proposal);
    ledger.commit(proposal);
  }
}

std::unique_ptr<Identity> make(std::uint64_t seed, const Options& options, const char* model,
                               const nn::ModelConfig& config) {
  const Digits digits = make_tasks(options.digits_path.empty() ? embedded_digits()
                                                               : read_digits(options.digits_path));
  auto identity = std::make_unique<Identity>();
  identity->ledger = std::make_unique<Ledger>(options.level);
  identity->rng = Rng(seed);
  identity->level = options.level;
  identity->model = model;
  identity->data = "digits";
  identity->classes = 10;
  identity->theta = &identity->ledger->open("theta", Role::kIdentity);
  const Store& buffers = identity->ledger->open("buffers", Role::kBuffer);
  identity->build = [&buffers, config](const Store& theta) {
    return nn::make_network(config, theta, &buffers);
  };
  auto network = identity->build(*identity->theta);
  identity->ledger->commit(network->init(identity->rng.stream("init")));
  identity->network = std::move(network);
  const bool images = std::holds_alternative<nn::CnnConfig>(config);
  const Labelled train = shaped(digits.train, images), held_out = shaped(digits.held_out, images);
  const Labelled shifted = shaped(digits.shifted_train, images);
  const Labelled shifted_test = shaped(digits.shifted_test, images);
  identity->original = labelled_task("digits", train, held_out);
  identity->tasks.push_back(labelled_task("digits-shifted", shifted, shifted_test));
  identity->recipes = {{Mechanism::kSgd, {0.05, 0.1, kBatch}},
                       {Mechanism::kMomentum, {0.01, 0.02, kBatch}},
                       {Mechanism::kAdam, {2e-3, 8e-3, kBatch}},
                       {Mechanism::kAdamW, {2e-3, 8e-3, kBatch}},
                       {Mechanism::kPolicyGradient, {2e-3, 8e-3, 64}}};
  constexpr std::size_t kEach = 256;
  identity->probes = probes_of(train, held_out, kEach);
  identity->probe_sets = {
      {"in-distribution", train.x.rows(0, kEach)},
      {"held-out", held_out.x.rows(0, kEach)},
      {"adaptation", shifted_test.x.rows(0, kEach)},
      {"random", random_inputs(identity->probes, kEach, -1, 1, Rng(0).stream("digits/random"))}};
  pretrain(*identity);
  identity->ledger->freeze(buffers);
  finish(*identity);
  return identity;
}

}  // namespace

extern const std::vector<SubjectInfo> kDigitsBnSubjects = {
    {"digits-bn", "cnn-bn-8-16-32", "digits", "8x8 digits, two convolutions with BatchNorm",
     Scale::kSmall,
     [](std::uint64_t seed, const Options& options) {
       return make(seed, options, "cnn-bn-8-16-32", cnn());
     }},
    {"digits-bn-mlp", "mlp-bn-64-64-32-10", "digits",
     "8x8 digits, two hidden layers with BatchNorm", Scale::kSmall,
     [](std::uint64_t seed, const Options& options) {
       return make(seed, options, "mlp-bn-64-64-32-10", mlp());
     }}};

}  // namespace palinode::experiments
