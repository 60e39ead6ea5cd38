// Language models that learn a text of random letters in which every letter depends on the one two
// places before: a Gpt with dropout, a tied head and checkpointed blocks, and a Llama with grouped
// queries.
#include <vector>

#include "nn/gpt.h"
#include "nn/llama.h"
#include "tests/matrix/parts.h"
#include "tests/matrix/training.h"

namespace palinode::matrix {
namespace {

// Odd sizes, so that every tile and every vector has a tail.
constexpr std::size_t kSequences = 3, kLength = 37, kTokens = 29, kLetters = 1009;

std::vector<std::int32_t> text(const Rng& rng) {
  std::vector<std::int32_t> letters(kLetters);
  for (std::size_t i = 0; i < kLetters; ++i) {
    const std::uint64_t noise = rng.below(i, 3);
    const auto before = static_cast<std::uint64_t>(i < 2 ? 0 : letters[i - 2]);
    letters[i] = static_cast<std::int32_t>((7 * before + 3 + noise) % kTokens);
  }
  return letters;
}

Batch windows(std::span<const std::int32_t> letters, const Rng& rng, std::uint64_t step) {
  std::vector<std::int32_t> x, next;
  for (std::size_t i = 0; i < kSequences; ++i) {
    const auto begin =
        static_cast<std::size_t>(rng.below(step * kSequences + i, kLetters - kLength - 1));
    const auto window = letters.subspan(begin, kLength + 1);
    x.insert(x.end(), window.begin(), window.end() - 1);
    next.insert(next.end(), window.begin() + 1, window.end());
  }
  return {Tensor::from<std::int32_t>(x, {kSequences, kLength}),
          Tensor::from<std::int32_t>(next, {kSequences * kLength})};
}

template <class Model, class Config>
Sha256Digest train(const Rng& rng, const Config& config, std::uint64_t steps) {
  const std::vector<std::int32_t> letters = text(rng.stream("text"));
  Training training;
  const Model model(training.theta(), config);
  training.ledger().commit(model.init(rng.stream("init")));
  for (std::uint64_t step = 0; step < steps; ++step) {
    training.step(model, windows(letters, rng.stream("windows"), step),
                  rng.stream("dropout").stream(step));
  }
  return training.digest();
}

}  // namespace

Sha256Digest train_gpt(std::uint64_t steps) {
  const nn::GptConfig config = {.vocab = kTokens,
                                .context = kLength,
                                .layers = 2,
                                .heads = 3,
                                .width = 33,
                                .tied = true,
                                .dropout = 0.1,
                                .checkpointing = true};
  return train<nn::Gpt>(Rng(9).stream("gpt"), config, steps);
}

Sha256Digest train_llama(std::uint64_t steps) {
  const nn::LlamaConfig config = {.vocab = kTokens,
                                  .context = kLength,
                                  .layers = 2,
                                  .heads = 4,
                                  .kv_heads = 2,
                                  .width = 40,
                                  .hidden = 53};
  return train<nn::Llama>(Rng(9).stream("llama"), config, steps);
}

}  // namespace palinode::matrix
