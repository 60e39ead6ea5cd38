// digits-mlp: the 8x8 digits, an MLP 64-64-10. digits-mlp2-W: the same with two hidden layers of W,
// for the trend with scale. The shifted task turns the images and renames the classes (digits.h).
#include <fmt/format.h>

#include "experiments/digits.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/subjects/subjects.h"
#include "nn/mlp.h"

namespace palinode::experiments {
namespace {

std::unique_ptr<Identity> make(std::uint64_t seed, const Options& options, std::string_view name,
                               const std::vector<std::size_t>& sizes) {
  const Digits digits = make_tasks(options.digits_path.empty() ? embedded_digits()
                                                               : read_digits(options.digits_path));
  const nn::MlpConfig config = {.sizes = sizes, .activation = nn::Activation::kTanh};
  auto identity = std::make_unique<Identity>();
  const bool recorded = !options.ledger_path.empty() && name == "digits-mlp" &&
                        seed == options.ledger_seed && options.level != Ledger::Level::kOff;
  identity->ledger = recorded ? std::make_unique<Ledger>(options.level, options.ledger_path)
                              : std::make_unique<Ledger>(options.level);
  identity->rng = Rng(seed);
  identity->level = options.level;
  identity->model = fmt::format("mlp-{}", fmt::join(sizes, "-"));
  identity->data = "digits";
  identity->classes = 10;
  identity->theta = &identity->ledger->open("theta", Role::kIdentity);
  identity->build = [config](const Store& theta) {
    return std::make_unique<nn::Mlp>(theta, config);
  };
  identity->network = identity->build(*identity->theta);
  identity->original = labelled_task("digits", digits.train, digits.held_out);
  identity->tasks.push_back(
      labelled_task("digits-shifted", digits.shifted_train, digits.shifted_test));
  identity->recipes = {{Mechanism::kSgd, {0.1, 0.1, 32}},
                       {Mechanism::kMomentum, {0.02, 0.02, 32}},
                       {Mechanism::kAdam, {1e-3, 4e-3, 32}},
                       {Mechanism::kAdamW, {1e-3, 4e-3, 32}},
                       {Mechanism::kPolicyGradient, {2e-3, 4e-3, 64}}};
  identity->probes = digits.probes;
  constexpr std::size_t kEach = 256;
  identity->probe_sets = {
      {"in-distribution", digits.train.x.rows(0, kEach)},
      {"held-out", digits.held_out.x.rows(0, kEach)},
      {"adaptation", digits.shifted_test.x.rows(0, kEach)},
      {"random", random_inputs(digits.probes, kEach, -1, 1, Rng(0).stream("digits/random"))}};
  // The seed decides the first weights and the batches; the data and the probes stay.
  identity->init = [network_of = identity->build, stream = identity->rng.stream("init")](
                       const Store& theta) { return network_of(theta)->init(stream); };
  identity->pretraining = {
      .loss = task_loss(identity->original, identity->rng.stream("identity"), 32),
      .optimizer = rbl::adam({.lr = 2e-3}),
      .steps = 800};
  identity->ledger->commit(identity->init(*identity->theta));
  rbl::run(*identity->ledger, *identity->theta, *identity->network, identity->pretraining,
           {.state = "adam.theta", .seed = seed});
  finish(*identity);
  return identity;
}

template <std::size_t kWidth>
std::unique_ptr<Identity> make_deep(std::uint64_t seed, const Options& options) {
  return make(seed, options, "", {64, kWidth, kWidth, 10});
}

}  // namespace

extern const std::vector<SubjectInfo> kDigitsSubjects = {
    {"digits-mlp", "mlp-64-64-10", "digits", "8x8 digits, one hidden layer; 4,810 weights",
     Scale::kSmall,
     [](std::uint64_t seed, const Options& options) {
       return make(seed, options, "digits-mlp", {64, 64, 10});
     }},
    {"digits-mlp2-32", "mlp-64-32-32-10", "digits", "3,466 weights", Scale::kSmall, make_deep<32>},
    {"digits-mlp2-72", "mlp-64-72-72-10", "digits", "10,666 weights", Scale::kSmall, make_deep<72>},
    {"digits-mlp2-160", "mlp-64-160-160-10", "digits", "37,770 weights", Scale::kSmall,
     make_deep<160>},
    {"digits-mlp2-350", "mlp-64-350-350-10", "digits", "149,110 weights", Scale::kSmall,
     make_deep<350>},
    {"digits-mlp2-750", "mlp-64-750-750-10", "digits", "619,510 weights", Scale::kMedium,
     make_deep<750>},
    {"digits-mlp2-1600", "mlp-64-1600-1600-10", "digits", "2,681,610 weights", Scale::kMedium,
     make_deep<1600>}};

}  // namespace palinode::experiments
