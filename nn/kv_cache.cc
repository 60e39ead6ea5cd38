#include "nn/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace palinode::nn {
namespace {

Sha256Digest key_of(const Store& store, const Run& run, const Sha256Digest& settings) {
  Sha256 sha;
  sha.add(settings).add(content_key(store));
  for (const Seam* seam : run.settings().seams) sha.add(seam->key());
  return sha.finish();
}

// The first `length` rows of each sequence of `held`, then those of `fresh`.
Tensor appended(const Tensor& held, std::size_t length, const Tensor& fresh, std::size_t batch) {
  if (length == 0) return fresh;
  const std::size_t width = fresh.shape()[1], time = fresh.shape()[0] / batch;
  return with_float(fresh.dtype(), "kv_cache", [&]<class T>() {
    TensorBuilder builder({batch * (length + time), width}, fresh.dtype());
    auto out = builder.values<T>().begin();
    const std::span<const T> old = held.values<T>(), now = fresh.values<T>();
    for (std::size_t b = 0; b < batch; ++b) {
      const std::size_t begin = b * (held.shape()[0] / batch) * width;
      out = std::ranges::copy(old.subspan(begin, length * width), out).out;
      out = std::ranges::copy(now.subspan(b * time * width, time * width), out).out;
    }
    return std::move(builder).build();
  });
}

}  // namespace

void KvCache::claim(const Store& store, const Run& run, std::size_t batch,
                    const Sha256Digest& settings) {
  const Sha256Digest function = key_of(store, run, settings);
  if (length_ == 0) {
    layers_.clear();
    function_ = function;
    batch_ = batch;
    return;
  }
  if (function_ != function) {
    throw StaleReadError(
        fmt::format("kv_cache: its {} tokens were seen with other settings, weights or behaviors "
                    "than those of {} now; "
                    "clear it",
                    length_, store.name()));
  }
  if (batch_ != batch) {
    throw ShapeError(fmt::format("kv_cache: holds {} sequences, got {}", batch_, batch));
  }
}

const KvCache::Layer& KvCache::extend(std::size_t layer, const Tensor& k, const Tensor& v) {
  PALINODE_ASSERT(layer <= layers_.size());
  if (layer == layers_.size()) layers_.emplace_back();
  Layer& held = layers_[layer];
  Tensor keys = appended(held.keys, length_, k, batch_);
  Tensor values = appended(held.values, length_, v, batch_);
  held = {std::move(keys), std::move(values)};
  return held;
}

}  // namespace palinode::nn
