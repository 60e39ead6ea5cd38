#include "nn/attention.h"

#include <fmt/format.h>

#include <algorithm>

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

// The columns [begin, end) of a matrix.
Tensor columns(const Tensor& x, std::size_t begin, std::size_t end) {
  const std::size_t rows = x.shape()[0], stride = x.shape()[1];
  return with_float(x.dtype(), "attention", [&]<class T>() {
    TensorBuilder builder({rows, end - begin}, x.dtype());
    auto out = builder.values<T>().begin();
    for (std::size_t row = 0; row < rows; ++row) {
      const auto part = x.values<T>().subspan(row * stride + begin, end - begin);
      out = std::ranges::copy(part, out).out;
    }
    return std::move(builder).build();
  });
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const Store& store, const std::string& name,
                                       const MultiHeadAttentionConfig& config)
    : config_(config),
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
  const Var y = run.cache() == nullptr ? attention(qkv, how) : attend_cached(run, qkv, place, how);
  return out_(run, y);
}

Var MultiHeadAttention::attend_cached(Run& run, Var qkv, const Place& place,
                                      const palinode::AttentionConfig& how) const {
  const std::size_t head = config_.width / config_.heads, kv = config_.kv_heads * head;
  const Tensor rows = qkv.value().compact();
  const Tensor k = columns(rows, config_.width, config_.width + kv);
  const Tensor v = columns(rows, config_.width + kv, config_.width + 2 * kv);
  const KvCache::Layer& all = run.cache()->extend(place.layer, k, v);
  const Var query = run.tape().constant(columns(rows, 0, config_.width));
  const Var keys = run.tape().constant(all.keys);
  const Var values = run.tape().constant(all.values);
  return attention(query, keys, values, how);
}

void MultiHeadAttention::declare(Parameters& parameters) const {
  for (const Linear* layer : {&qkv_, &out_}) layer->declare(parameters);
}

void MultiHeadAttention::name_sites(std::vector<std::string>& sites) const {
  for (const Linear* layer : {&qkv_, &out_}) sites.push_back(layer->name());
}

}  // namespace palinode::nn
