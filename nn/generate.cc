#include "nn/generate.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace palinode::nn {

Generator::Generator(const Model& function, std::vector<std::int32_t> prompt,
                     const GenerateConfig& config, const Rng& stream)
    : function_(&function), config_(config), stream_(stream), tokens_(std::move(prompt)) {
  if (tokens_.empty()) throw ShapeError("generate: the prompt has no token");
  if (config_.context < 2) {
    throw ShapeError(fmt::format("generate: a context of at least 2, got {}", config_.context));
  }
  const std::size_t kept = (config_.context + 1) / 2;
  if (tokens_.size() > config_.context) begin_ = tokens_.size() - kept;
}

std::int32_t Generator::next() {
  if (tokens_.size() - begin_ > config_.context) {
    begin_ = tokens_.size() - (config_.context + 1) / 2;
    cache_.clear();
    cached_ = 0;
  }
  const std::span<const std::int32_t> fresh = std::span(tokens_).subspan(begin_ + cached_);
  Tape tape;
  Run run(tape, {.cache = &cache_});
  const Var x = tape.constant(Tensor::from<std::int32_t>(fresh, {1, fresh.size()}));
  const Tensor logits = function_->forward(run, x).value();
  cached_ += fresh.size();
  const std::size_t rows = logits.shape()[0];
  const Tensor last = logits.rows(rows - 1, rows);
  tokens_.push_back(sample(last, config_.sampling, stream_.uniform(tokens_.size())));
  return tokens_.back();
}

}  // namespace palinode::nn
