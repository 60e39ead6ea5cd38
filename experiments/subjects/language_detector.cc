// lande: an identity that nobody here trained (lande/detector.h). What it learned from is not at
// hand; its original task is to go on answering as it did, on snippets of English and of English
// with the alphabet turned by some letters, which it takes for all kinds of languages. The
// adaptation asks which of three books a snippet is from.
#include <algorithm>
#include <string>
#include <vector>

#include "experiments/data_sets/data_set.h"
#include "experiments/lande/detector.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/subjects/subjects.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kTrain = 1200, kHeldOut = 400, kProbesEach = 128, kLength = 120;

char turned(char c, std::size_t by) {
  const auto turn = [by](char letter, char first) {
    return static_cast<char>(
        first + static_cast<char>((static_cast<std::size_t>(letter - first) + by) % 26));
  };
  if (c >= 'a' && c <= 'z') return turn(c, 'a');
  if (c >= 'A' && c <= 'Z') return turn(c, 'A');
  return c;
}

std::string snippet(std::string_view text, std::uint64_t draw, const Rng& stream, std::size_t by) {
  std::string part(text.substr(stream.below(draw, text.size() - kLength), kLength));
  for (char& c : part) c = turned(c, by);
  return part;
}

Labelled books(const LanguageDetector& detector, std::span<const Text> texts, bool validation,
               std::size_t count) {
  const Rng stream = Rng(0).stream(validation ? "lande/books/validation" : "lande/books/train");
  std::vector<std::string> snippets;
  TensorBuilder y({count}, Dtype::kI32);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t book = i % texts.size();
    const Text& text = texts[book];
    snippets.push_back(snippet(validation ? text.validation() : text.train(), i, stream, 0));
    y.values<std::int32_t>()[i] = static_cast<std::int32_t>(book);
  }
  return {detector.features(snippets), std::move(y).build()};
}

// Labelled with the detector's own answers.
Labelled tongues(const LanguageDetector& detector, const Text& text, bool validation,
                 std::size_t count) {
  const Rng stream = Rng(0).stream(validation ? "lande/tongues/validation" : "lande/tongues/train");
  std::vector<std::string> snippets;
  for (std::size_t i = 0; i < count; ++i) {
    snippets.push_back(snippet(validation ? text.validation() : text.train(), i, stream, i % 26));
  }
  Tensor x = detector.features(snippets);
  const Tensor logits = nn::evaluate(detector.model(), x).compact();
  const std::span<const float> values = logits.values<float>();
  const std::size_t classes = logits.shape().last();
  TensorBuilder y({count}, Dtype::kI32);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = values.subspan(i * classes, classes);
    y.values<std::int32_t>()[i] =
        static_cast<std::int32_t>(std::ranges::max_element(row) - row.begin());
  }
  return {std::move(x), std::move(y).build()};
}

std::unique_ptr<Identity> make(std::uint64_t seed, const Options& options) {
  auto identity = std::make_unique<Identity>();
  identity->ledger = std::make_unique<Ledger>(options.level);
  const LanguageDetector detector(*identity->ledger, lande_file(), "theta");
  const nn::MlpConfig config = detector.model().config();
  identity->rng = Rng(seed);
  identity->level = options.level;
  identity->model = "lande-620-120-50";
  identity->data = "lande";
  identity->classes = detector.languages().size();
  identity->theta = &detector.store();
  identity->build = [config](const Store& theta) {
    return std::make_unique<nn::Mlp>(theta, config);
  };
  identity->network = identity->build(*identity->theta);
  const Text texts[] = {load_text(data_set("austen")), load_text(data_set("kjv")),
                        load_text(data_set("devil"))};
  identity->original = labelled_task("tongues", tongues(detector, texts[0], false, kTrain),
                                     tongues(detector, texts[0], true, kHeldOut));
  identity->tasks.push_back(labelled_task("books", books(detector, texts, false, kTrain),
                                          books(detector, texts, true, kHeldOut)));
  identity->recipes = {{Mechanism::kSgd, {0.3, 0.025, 32}},
                       {Mechanism::kMomentum, {0.02, 0.004, 32}},
                       {Mechanism::kAdam, {2e-3, 4e-3, 32}},
                       {Mechanism::kAdamW, {2e-3, 4e-3, 32}}};
  identity->target = 0.8;
  identity->most_steps = 16000;
  identity->back_lr = 2e-3;
  identity->probes = probes_of(identity->original.train, identity->original.held_out, kProbesEach);
  identity->probe_sets = {{"in-distribution", identity->original.train.x.rows(0, kProbesEach)},
                          {"held-out", identity->original.held_out.x.rows(0, kProbesEach)},
                          {"adaptation", identity->shifted().held_out.x.rows(0, kProbesEach)},
                          {"random", random_inputs(identity->probes, kProbesEach, 0, 0.01,
                                                   Rng(0).stream("lande/random"))}};
  finish(*identity);
  return identity;
}

}  // namespace

extern const std::vector<SubjectInfo> kDetectorSubjects = {
    {"lande", "lande-620-120-50", "lande", "a language detector of others; 80,570 weights",
     Scale::kMedium, make}};

}  // namespace palinode::experiments
