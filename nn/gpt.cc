#include "nn/gpt.h"

#include <fmt/format.h>

#include "nn/decoder.h"
#include "tensor/error.h"

namespace palinode::nn {

Gpt::Gpt(const Store& store, const GptConfig& config)
    : store_(&store),
      config_(config),
      token_(store, "token", {config.vocab, config.width, gpt2()}),
      position_(store, "position", {config.context, config.width, gpt2()}),
      dropout_("dropout", config.dropout),
      norm_(store, "norm", config.width) {
  check_decoder("gpt", {config.vocab, config.context, config.layers, config.width});
  const MultiHeadAttentionConfig attention{.width = config.width,
                                           .heads = config.heads,
                                           .kv_heads = config.heads,
                                           .init_out = gpt2_residual(config.layers),
                                           .precision = config.precision};
  const FeedForwardConfig mlp{.width = config.width,
                              .hidden = 4 * config.width,
                              .init_down = gpt2_residual(config.layers),
                              .precision = config.precision};
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string name = fmt::format("block.{}", i);
    blocks_.push_back({LayerNorm(store, name + ".attn.norm", config.width),
                       MultiHeadAttention(store, name + ".attn", attention),
                       Dropout(name + ".attn.dropout", config.dropout),
                       LayerNorm(store, name + ".mlp.norm", config.width),
                       FeedForward(store, name + ".mlp", mlp),
                       Dropout(name + ".mlp.dropout", config.dropout)});
  }
  if (config.tied) return;
  head_.emplace(store, "head", LinearConfig{config.width, config.vocab, false, gpt2()});
}

Var Gpt::run_block(Run& run, const Block& block, Var x, const Place& place) {
  const Var seen = block.before_attention(run, x);
  const Var mixed = block.attention(run, seen, place);
  const Var kept = block.attention_dropout(run, mixed);
  x = add(x, kept);
  const Var read = block.before_mlp(run, x);
  const Var thought = block.mlp(run, read);
  const Var said = block.mlp_dropout(run, thought);
  return add(x, said);
}

Var Gpt::forward(Run& run, Var tokens) const {
  Place place = begin_pass("gpt", run, *store_, tokens.value(), config_.context,
                           {config_.heads, config_.heads, 0, 0, config_.precision});
  Var x = token_(run, tokens.value());
  const std::size_t prompted = put_prompt(run, x, place, config_.context);
  const Var positions = position_(run, positions_of(place));
  x = add(x, positions);
  x = reshape(x, {place.batch * place.time, config_.width});
  x = dropout_(run, x);
  x = run_blocks(run, blocks_, x, place, config_.checkpointing, run_block);
  x = drop_prompt(x, place, prompted);
  x = norm_(run, x);
  end_pass(run, place);
  if (!head_) return token_.head(run, x);
  return (*head_)(run, x);
}

Parameters Gpt::parameters() const {
  Parameters all;
  token_.declare(all);
  position_.declare(all);
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

std::vector<AttentionSite> Gpt::attentions() const {
  std::vector<AttentionSite> all;
  for (const Block& block : blocks_) all.push_back(block.attention.attention_site());
  return all;
}

std::vector<std::string> Gpt::sites() const {
  std::vector<std::string> names;
  for (const Block& block : blocks_) {
    block.attention.name_sites(names);
    block.mlp.name_sites(names);
  }
  if (head_) names.push_back(head_->name());
  return names;
}

Ties Gpt::ties() const {
  if (head_) return {};
  return {{"head.weight", "token.weight"}};
}

}  // namespace palinode::nn
