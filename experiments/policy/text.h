// Policy gradient on a language model: prompts are continued by sampling, each continuation earns a
// reward, and the model is moved towards what earned more. Learning from human feedback in
// miniature, with a stated reward in the place of the human.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/policy/learning.h"
#include "experiments/tokenizer/tokenizer.h"

namespace palinode::experiments::policy {

struct TextTask {
  Tensor prompts;           // i32 [prompts, time]
  std::size_t length = 16;  // tokens of a continuation
  std::function<double(std::span<const std::int32_t> continuation)> reward;
};

// i32 [texts, tokens]. Throws Error naming the text unless all have as many tokens as the first.
Tensor encoded_prompts(const Tokenizer& tokenizer, std::span<const std::string_view> texts);

// The share of a continuation's tokens that are one of these bytes. Throws FormatError for a byte
// the tokenizer has not.
std::function<double(std::span<const std::int32_t>)> share_of(const Tokenizer& tokenizer,
                                                              std::string_view bytes);

struct Continuations {
  Tensor tokens;  // i32 [prompts * samples, time + length], row prompt * samples + i
  std::vector<double> rewards = {};  // of each row
  double entropy = 0;                // of the model where it drew; nats, mean over tokens

  double mean_reward() const;
  Tensor inputs() const;   // all tokens but each row's last, i32 [rows, time + length - 1]
  Tensor targets() const;  // all but each row's first, i32 [rows * (time + length - 1)]
};

// Token t of row r is drawn from softmax(logits) with number t of "<stream>/<r>". The model reads
// each token once (nn/kv_cache.h).
Continuations continue_prompts(const nn::Model& model, const TextTask& task, std::size_t samples,
                               const Rng& stream);

// REINFORCE with the mean reward of the prompt's other samples as baseline (leave one out: Kool et
// al. 2019; Ahmadian et al., arXiv:2402.14740, equation 8).
struct TextConfig {
  rbl::MakeOptimizer optimizer = rbl::adam({});
  std::size_t samples = 4;  // of each prompt in a batch, one update; at least 2
  // Takes `kl_penalty` times the sum over the continuation of log p(token) - log p0(token) off its
  // reward before the baseline, p0 being that of `start` (Ouyang et al., arXiv:2203.02155, equation
  // 2).
  double kl_penalty = 0;
  const nn::Model* start = nullptr;  // needed for a penalty; not what is trained
  double entropy_bonus = 0;          // times the mean entropy over the rows' tokens
  std::optional<double> max_norm = 1.0;
  Goal goal = {.episodes = 64};  // a multiple of the prompts
  Writing writing = {};
};

// Trains `target`, with which `model` computes: x i32 [batch, time] -> logits [batch * time,
// vocab]. A return is a reward without penalty. Opens "<state>.policy". Throws Error for fewer than
// two samples, evaluation episodes that the prompts do not divide, or a penalty without a start;
// and as the ledger and the optimizer do.
Learned reinforce_text(Ledger& ledger, const Store& target, const nn::Model& model,
                       const TextTask& task, const TextConfig& config, const std::string& state,
                       const Rng& stream);

}  // namespace palinode::experiments::policy
