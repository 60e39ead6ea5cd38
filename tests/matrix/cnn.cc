// A small convolutional network with batch normalization and dropout that learns what another
// network of random weights says about random images.
#include "nn/cnn.h"

#include <algorithm>
#include <vector>

#include "tests/matrix/parts.h"
#include "tests/matrix/training.h"

namespace palinode::matrix {
namespace {

// Odd sizes, so that every tile, vector and pooling window has a tail.
constexpr std::size_t kHeight = 11, kWidth = 13, kChannels = 3, kClasses = 7;
constexpr std::size_t kImages = 61, kBatch = 19;

nn::CnnConfig config() {
  return {.height = kHeight,
          .width = kWidth,
          .channels = kChannels,
          .blocks = {{5, 3, 2}, {9, 3, 1}, {9, 5, 2}},
          .hidden = {23},
          .classes = kClasses,
          .batch_norm = true,
          .dropout = 0.2};
}

Tensor labels_of(const Tensor& x) {
  Ledger ledger(Ledger::Level::kOff);
  nn::CnnConfig plain = config();
  plain.batch_norm = false;
  const nn::Cnn teacher(ledger.open("teacher", Role::kIdentity), plain);
  ledger.commit(teacher.init(Rng(8).stream("teacher")));
  const Tensor logits = nn::evaluate(teacher, x);
  const std::span<const float> values = logits.values<float>();
  std::vector<std::int32_t> best(kImages);
  for (std::size_t i = 0; i < kImages; ++i) {
    const auto row = values.subspan(i * kClasses, kClasses);
    best[i] = static_cast<std::int32_t>(std::ranges::max_element(row) - row.begin());
  }
  return Tensor::from<std::int32_t>(best, {kImages});
}

}  // namespace

Sha256Digest train_cnn(std::uint64_t steps) {
  const Rng rng = Rng(8).stream("cnn");
  const Tensor x = rng.stream("x").normal({kImages, kHeight, kWidth, kChannels}, Dtype::kF32);
  const Tensor labels = labels_of(x);
  Training training;
  const Store& buffers = training.ledger().open("buffers", Role::kBuffer);
  const nn::Cnn model(training.theta(), buffers, config());
  training.ledger().commit(model.init(rng.stream("init")));
  for (std::uint64_t step = 0; step < steps; ++step) {
    const auto begin = static_cast<std::size_t>(rng.stream("batch").below(step, kImages - kBatch));
    training.step(model, {x.rows(begin, begin + kBatch), labels.rows(begin, begin + kBatch)},
                  rng.stream("dropout").stream(step));
  }
  return Sha256().add(training.digest()).add(fingerprint(buffers)).finish();
}

}  // namespace palinode::matrix
