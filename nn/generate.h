// Generator: a sequence continued token by token by a language model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/run.h"
#include "nn/sampling.h"

namespace palinode::nn {

struct GenerateConfig {
  std::size_t context = 64;  // the model's, without the rows that a behavior puts before it
  Sampling sampling = {};
};

// The token at place t of the sequence is drawn with number t of the stream, so a sequence depends
// on the model, the prompt, the settings and the stream only.
//
// The model sees the whole sequence until that fills the context. Then the window slides: what it
// sees begins again with the last context / 2 (rounded up) tokens at position 0, and grows to the
// whole context as before.
class Generator {
 public:
  // `function`: x i32 [1, time] -> logits [time, vocab] (Gpt, Llama, or one with behaviors
  // attached), which outlives the generator. Throws ShapeError for an empty prompt or a context
  // below 2.
  Generator(const Model& function, std::vector<std::int32_t> prompt, const GenerateConfig& config,
            const Rng& stream);

  // Draws the next token, appends it and returns it.
  std::int32_t next();
  // Prompt and what was generated.
  std::span<const std::int32_t> tokens() const { return tokens_; }

 private:
  const Model* function_;
  GenerateConfig config_;
  Rng stream_;
  std::vector<std::int32_t> tokens_;
  KvCache cache_;
  std::size_t begin_ = 0;   // of what the model sees
  std::size_t cached_ = 0;  // tokens of that in the cache, which may hold rows of a prompt besides
};

}  // namespace palinode::nn
