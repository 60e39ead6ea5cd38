// Gpt: a decoder-only transformer in the manner of GPT-2 (Radford et al. 2019): learned positions,
// pre-norm blocks of causal attention and a GELU feed-forward, a final norm, a head.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/feed_forward.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"

namespace palinode::nn {

struct GptConfig {
  std::size_t vocab = 256;
  std::size_t context = 64;  // positions
  std::size_t layers = 4;
  std::size_t heads = 4;  // a divisor of width
  std::size_t width = 128;
  bool tied = false;                       // the head reads the token table
  double dropout = 0;                      // after the embedding, and of what a block adds
  bool checkpointing = false;              // keep only each block's input for the backward pass
  Precision precision = Precision::kFast;  // of gelu and softmax; f64 needs kRounded
};

// Reads token, position, block.<i>.attn.{norm,qkv,out}, block.<i>.mlp.{norm,up,down}, norm and, if
// untied, head. Weights start as GPT-2's, biases at 0. Throws ShapeError for a bad configuration.
class Gpt : public Network {
 public:
  Gpt(const Store& store, const GptConfig& config);

  // x i32 [batch, time], time <= context -> logits [batch * time, vocab], row b * time + t for
  // place t of sequence b. With a cache in the run, x continues what the cache holds.
  Var forward(Run& run, Var x) const override;

  std::string_view kind() const override { return "gpt"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;
  std::vector<AttentionSite> attentions() const override;
  std::size_t embedding_width() const override { return config_.width; }
  const Store& store() const override { return *store_; }
  Ties ties() const override;
  const GptConfig& config() const { return config_; }

 private:
  struct Block {
    LayerNorm before_attention;
    MultiHeadAttention attention;
    Dropout attention_dropout;
    LayerNorm before_mlp;
    FeedForward mlp;
    Dropout mlp_dropout;
  };

  static Var run_block(Run& run, const Block& block, Var x, const Place& place);

  const Store* store_;
  GptConfig config_;
  Embedding token_, position_;
  Dropout dropout_;
  std::vector<Block> blocks_;
  LayerNorm norm_;
  std::optional<Linear> head_;
};

}  // namespace palinode::nn
