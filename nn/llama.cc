#include "nn/llama.h"

#include <fmt/format.h>

#include "nn/decoder.h"
#include "tensor/error.h"

namespace palinode::nn {

Llama::Llama(const Store& store, const LlamaConfig& config)
    : store_(&store),
      config_(config),
      token_(store, "token", {config.vocab, config.width, gpt2()}),
      norm_(store, "norm", config.width, config.eps) {
  check_decoder("llama", {config.vocab, config.context, config.layers, config.width});
  const MultiHeadAttentionConfig attention{.width = config.width,
                                           .heads = config.heads,
                                           .kv_heads = config.kv_heads,
                                           .bias = false,
                                           .rope_base = config.rope_base,
                                           .positions = config.context,
                                           .init_out = gpt2_residual(config.layers),
                                           .precision = config.precision};
  const FeedForwardConfig mlp{.width = config.width,
                              .hidden = config.hidden,
                              .init_down = gpt2_residual(config.layers),
                              .precision = config.precision};
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string name = fmt::format("block.{}", i);
    blocks_.push_back({RmsNorm(store, name + ".attn.norm", config.width, config.eps),
                       MultiHeadAttention(store, name + ".attn", attention),
                       RmsNorm(store, name + ".mlp.norm", config.width, config.eps),
                       SwiGlu(store, name + ".mlp", mlp)});
  }
  if (config.tied) return;
  head_.emplace(store, "head", LinearConfig{config.width, config.vocab, false, gpt2()});
}

Var Llama::run_block(Run& run, const Block& block, Var x, const Place& place) {
  const Var seen = block.before_attention(run, x);
  const Var mixed = block.attention(run, seen, place);
  x = add(x, mixed);
  const Var read = block.before_mlp(run, x);
  const Var thought = block.mlp(run, read);
  return add(x, thought);
}

Var Llama::forward(Run& run, Var tokens) const {
  Place place = begin_pass(
      "llama", run, *store_, tokens.value(), config_.context,
      {config_.heads, config_.kv_heads, config_.rope_base, config_.eps, config_.precision});
  Var x = token_(run, tokens.value());
  const std::size_t prompted = put_prompt(run, x, place, config_.context);
  x = reshape(x, {place.batch * place.time, config_.width});
  x = run_blocks(run, blocks_, x, place, config_.checkpointing, run_block);
  x = drop_prompt(x, place, prompted);
  x = norm_(run, x);
  end_pass(run, place);
  if (!head_) return token_.head(run, x);
  return (*head_)(run, x);
}

Parameters Llama::parameters() const {
  Parameters all;
  token_.declare(all);
  for (const Block& block : blocks_) {
    block.before_attention.declare(all);
    block.attention.declare(all);
    block.before_mlp.declare(all);
    block.mlp.declare(all);
  }
  norm_.declare(all);
  if (head_) head_->declare(all);
  return all;
}

std::vector<AttentionSite> Llama::attentions() const {
  std::vector<AttentionSite> all;
  for (const Block& block : blocks_) all.push_back(block.attention.attention_site());
  return all;
}

std::vector<std::string> Llama::sites() const {
  std::vector<std::string> names;
  for (const Block& block : blocks_) {
    block.attention.name_sites(names);
    block.mlp.name_sites(names);
  }
  if (head_) names.push_back(head_->name());
  return names;
}

Ties Llama::ties() const {
  if (head_) return {};
  return {{"head.weight", "token.weight"}};
}

}  // namespace palinode::nn
