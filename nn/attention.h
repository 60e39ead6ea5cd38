// MultiHeadAttention: causal self-attention of several heads (Vaswani et al., arXiv:1706.03762),
// with fewer heads of keys and values if asked for (Ainslie et al., arXiv:2305.13245) and rotary
// positions (Su et al., arXiv:2104.09864).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "nn/linear.h"

namespace palinode::nn {

struct MultiHeadAttentionConfig {
  std::size_t width = 0;
  std::size_t heads = 1;     // a divisor of width
  std::size_t kv_heads = 1;  // a divisor of heads
  bool bias = true;
  std::optional<double> rope_base = {};  // none: the model adds positions itself
  std::size_t positions = 0;             // with rope_base: how many there are
  Init init = gpt2();                    // of what reads the residual stream,
  Init init_out = gpt2();                // of what adds to it
  Precision precision = Precision::kFast;
};

// Where in a pass a block is: x is rows of `batch` sequences of `time` tokens, of which the first
// has position `offset`; `layer` counts the blocks.
struct Place {
  std::size_t batch = 0, time = 0, offset = 0, layer = 0;
};

// Sites `name.qkv`, one layer whose columns are the heads of queries, of keys and of values, one
// after the other, and `name.out`; `name` itself is a site for prefixes.
class MultiHeadAttention {
 public:
  // Throws ShapeError unless heads divide width and kv_heads divide heads.
  MultiHeadAttention(const Store& store, const std::string& name,
                     const MultiHeadAttentionConfig& config);

  // [batch * time, width] -> the same. With a cache in the run, the tokens that holds come first.
  Var operator()(Run& run, Var x, const Place& place) const;
  void declare(Parameters& parameters) const;
  void name_sites(std::vector<std::string>& sites) const;
  AttentionSite attention_site() const { return {name_, kv_width()}; }

 private:
  Var attend_apart(Run& run, Var qkv, const std::optional<Prefix>& prefix, const Place& place,
                   const palinode::AttentionConfig& how) const;
  std::size_t kv_width() const { return config_.kv_heads * (config_.width / config_.heads); }

  std::string name_;
  MultiHeadAttentionConfig config_;
  Linear qkv_, out_;
  Tensor turns_;  // rope's table
};

}  // namespace palinode::nn
