#include "nn/attention.h"

#include <fmt/format.h>

#include "nn/kv_cache.h"
#include "tensor/error.h"

namespace palinode::nn {
namespace {

LinearConfig packed(const MultiHeadAttentionConfig& config) {
  if (config.heads == 0 || config.kv_heads == 0 || config.width % config.heads != 0 ||
      config.heads % config.kv_heads != 0) {
    throw ShapeError(
        fmt::format("attention: heads divide the width and kv_heads the heads, got a width of {}, "
                    "{} heads, {} kv_heads",
                    config.width, config.heads, config.kv_heads));
  }
  const std::size_t heads = config.heads + 2 * config.kv_heads;
  return {config.width, heads * (config.width / config.heads), config.bias, config.init, zeros()};
}

// first [n, width], then the rows of each sequence of x [batch * time, width].
Var with_prefix(Var first, Var x, std::size_t batch) {
  const std::size_t n = first.shape()[0], width = first.shape()[1];
  const std::size_t time = x.shape()[0] / batch;
  const Var one = reshape(first, {1, n, width});
  const Var all = broadcast_to(one, {batch, n, width});
  const Var rows = reshape(x, {batch, time, width});
  const Var joined = concat({all, rows}, 1);
  return reshape(joined, {batch * (n + time), width});
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const Store& store, const std::string& name,
                                       const MultiHeadAttentionConfig& config)
    : name_(name),
      config_(config),
      qkv_(store, name + ".qkv", packed(config)),
      out_(store, name + ".out",
           {config.width, config.width, config.bias, config.init_out, zeros()}) {
  if (!config.rope_base) return;
  turns_ = rope_table(config.positions, config.width / config.heads, *config.rope_base);
}

Var MultiHeadAttention::operator()(Run& run, Var x, const Place& place) const {
  Var qkv = qkv_(run, x);
  if (config_.rope_base) {
    qkv = rope(
        qkv, turns_,
        {.time = place.time, .heads = config_.heads + config_.kv_heads, .offset = place.offset});
  }
  const palinode::AttentionConfig how{.batch = place.batch,
                                      .heads = config_.heads,
                                      .kv_heads = config_.kv_heads,
                                      .precision = config_.precision};
  const std::optional<Prefix> prefix = run.prefix(name_);
  const bool packed = run.cache() == nullptr && !prefix;
  const Var y = packed ? attention(qkv, how) : attend_apart(run, qkv, prefix, place, how);
  return out_(run, y);
}

// With keys that are not those of the rows of qkv: a prefix's first, then the cache's.
Var MultiHeadAttention::attend_apart(Run& run, Var qkv, const std::optional<Prefix>& prefix,
                                     const Place& place,
                                     const palinode::AttentionConfig& how) const {
  const std::size_t key_end = config_.width + kv_width();
  Var keys = slice(qkv, 1, config_.width, key_end);
  Var values = slice(qkv, 1, key_end, key_end + kv_width());
  const Var queries = slice(qkv, 1, 0, config_.width);
  if (KvCache* cache = run.cache()) {
    const KvCache::Layer& all =
        cache->extend(place.layer, keys.value().compact(), values.value().compact());
    keys = run.tape().constant(all.keys);
    values = run.tape().constant(all.values);
  }
  if (prefix) {
    keys = with_prefix(prefix->keys, keys, place.batch);
    values = with_prefix(prefix->values, values, place.batch);
  }
  return attention(queries, keys, values, how);
}

void MultiHeadAttention::declare(Parameters& parameters) const {
  for (const Linear* layer : {&qkv_, &out_}) layer->declare(parameters);
}

void MultiHeadAttention::name_sites(std::vector<std::string>& sites) const {
  for (const Linear* layer : {&qkv_, &out_}) sites.push_back(layer->name());
}

}  // namespace palinode::nn
