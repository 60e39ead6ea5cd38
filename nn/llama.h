// Llama: a decoder-only transformer in the manner of Touvron et al., arXiv:2302.13971: RMSNorm
// before each part, rotary positions, grouped-query attention (arXiv:2305.13245), SwiGLU, no bias.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/feed_forward.h"
#include "nn/linear.h"
#include "nn/rms_norm.h"

namespace palinode::nn {

struct LlamaConfig {
  std::size_t vocab = 256;
  std::size_t context = 64;
  std::size_t layers = 4;
  std::size_t heads = 4;     // a divisor of width
  std::size_t kv_heads = 2;  // a divisor of heads: each key and value serves heads / kv_heads
  std::size_t width = 128;
  std::size_t hidden = 344;  // of the feed-forward
  double rope_base = 10000;
  double eps = 1e-5;
  bool tied = false;
  bool checkpointing = false;
  Precision precision = Precision::kFast;
};

// Reads token, block.<i>.attn.{norm,qkv,out}, block.<i>.mlp.{norm,gate,up,down}, norm and, if
// untied, head. Throws ShapeError for a bad configuration.
class Llama : public Network {
 public:
  Llama(const Store& store, const LlamaConfig& config);

  // As of Gpt.
  Var forward(Run& run, Var x) const override;

  std::string_view kind() const override { return "llama"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;
  std::vector<AttentionSite> attentions() const override;
  std::size_t embedding_width() const override { return config_.width; }
  const Store& store() const override { return *store_; }
  Ties ties() const override;
  const LlamaConfig& config() const { return config_; }

 private:
  struct Block {
    RmsNorm before_attention;
    MultiHeadAttention attention;
    RmsNorm before_mlp;
    SwiGlu mlp;
  };

  static Var run_block(Run& run, const Block& block, Var x, const Place& place);

  const Store* store_;
  LlamaConfig config_;
  Embedding token_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  std::optional<Linear> head_;
};

}  // namespace palinode::nn
