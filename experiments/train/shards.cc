#include "experiments/train/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

// A loss, then the values of each gradient in the order of the items.
void append(std::string& text, double loss, const Gradients& gradients) {
  const auto append_values = [&](const auto& values) {
    const std::span<const std::byte> bytes = std::as_bytes(values);
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  append_values(std::span(&loss, 1));
  for (const Gradients::Item& item : gradients.items()) {
    const Tensor value = item.value.compact();
    with_float(value.dtype(), "shards", [&]<class T>() { append_values(value.values<T>()); });
  }
}

// Takes what `append` wrote from the front of a text that is long enough.
class PartReader {
 public:
  explicit PartReader(std::string_view text) : text_(text) {}

  double loss() {
    double value = 0;
    take(std::span(&value, 1));
    return value;
  }

  Tensor like(const Tensor& other) {
    return with_float(other.dtype(), "shards", [&]<class T>() {
      TensorBuilder builder(other.shape(), other.dtype());
      take(builder.values<T>());
      return std::move(builder).build();
    });
  }

 private:
  template <class T>
  void take(std::span<T> to) {
    std::memcpy(to.data(), text_.data(), to.size_bytes());
    text_.remove_prefix(to.size_bytes());
  }

  std::string_view text_;
};

}  // namespace

Labelled shard_of(const Labelled& batch, std::size_t shard, std::size_t shards) {
  if (shards == 1) return batch;
  const std::size_t examples = batch.x.shape()[0] / shards, labels = batch.y.shape()[0] / shards;
  return {batch.x.rows(shard * examples, (shard + 1) * examples),
          batch.y.rows(shard * labels, (shard + 1) * labels)};
}

ShardSum::ShardSum(std::size_t shards, Peers* peers) : shards_(shards), peers_(peers) {
  if (peers == nullptr) return;
  rank_ = peers->rank();
  size_ = peers->size();
  PALINODE_ASSERT(size_ <= shards_);
}

void ShardSum::add(double loss, const Gradients& gradients) {
  if (size_ == 1) {
    loss_ = loss_ + loss;
    sum_.add(gradients);
    return;
  }
  const std::size_t before = mine_.size();
  append(mine_, loss, gradients);
  bytes_ = mine_.size() - before;
  like_ = gradients;
}

void ShardSum::finish_batch() {
  if (size_ == 1) return;
  const std::vector<std::string> sent = peers_->exchange(mine_);
  mine_.clear();
  for (std::size_t from = 0; from < size_; ++from) {
    const std::size_t expected = (shards_ - from + size_ - 1) / size_ * bytes_;
    if (sent[from].size() == expected) continue;
    throw EnvironmentError(
        fmt::format("train: expected {} bytes of gradients from process {}, got {}", expected, from,
                    sent[from].size()));
  }
  std::vector<Tensor> values(like_.items().size());
  for (std::size_t shard = 0; shard < shards_; ++shard) {
    PartReader reader(std::string_view(sent[shard % size_]).substr(shard / size_ * bytes_, bytes_));
    loss_ = loss_ + reader.loss();
    std::ranges::transform(like_.items(), values.begin(),
                           [&](const Gradients::Item& item) { return reader.like(item.value); });
    sum_.add(like_, values);
  }
}

}  // namespace palinode::experiments::train
