#include "experiments/train/image_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

class ImageBatches : public BatchSource {
 public:
  ImageBatches(Labelled from, const Rng& rng, const Config& config)
      : batches_(std::move(from), rng.stream("batches"), config.train.batch),
        shifts_(rng.stream("shifts")),
        most_(config.data.shift) {}

  Labelled at(std::uint64_t number) override {
    Labelled batch = batches_.at(number);
    if (most_ > 0) batch.x = shifted(batch.x, shifts_, number, most_);
    return batch;
  }

  std::uint64_t per_epoch() const override { return batches_.per_epoch(); }

 private:
  Batches batches_;
  Rng shifts_;
  std::uint64_t most_;
};

void check_sizes(const Config& config, std::string_view name, std::size_t images) {
  if (config.data.validation >= images) {
    throw ConfigError(
        fmt::format("data.validation: expected fewer than the {} training images of {}, got {}",
                    images, name, config.data.validation));
  }
  const std::size_t left = images - config.data.validation;
  if (config.train.batch > left) {
    throw ConfigError(
        fmt::format("train.batch: expected at most the {} training images of {}, got {}", left,
                    name, config.train.batch));
  }
}

}  // namespace

Tensor shifted(const Tensor& x, const Rng& stream, std::uint64_t batch, std::uint64_t most) {
  const Shape& shape = x.shape();
  const std::size_t n = shape[0], h = shape[1], w = shape[2], c = shape[3];
  const auto draw = [&](std::uint64_t index) {
    return static_cast<std::ptrdiff_t>(stream.below(index, 2 * most + 1)) -
           static_cast<std::ptrdiff_t>(most);
  };
  TensorBuilder builder(shape, Dtype::kF32);
  const std::span<float> out = builder.values<float>();
  const std::span<const float> in = x.values<float>();
  std::ranges::fill(out, 0.0F);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t j = batch * n + i;
    const std::ptrdiff_t dy = draw(2 * j), dx = draw(2 * j + 1);
    const auto width = static_cast<std::ptrdiff_t>(w);
    const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, dx);
    const std::ptrdiff_t last = std::min(width, width + dx);  // columns [first, last) are filled
    for (std::size_t row = 0; row < h && first < last; ++row) {
      const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(row) - dy;
      if (from < 0 || from >= static_cast<std::ptrdiff_t>(h)) continue;
      const std::size_t to_row = (i * h + row) * w,
                        from_row = (i * h) * w + static_cast<std::size_t>(from) * w;
      std::ranges::copy(in.subspan((from_row + static_cast<std::size_t>(first - dx)) * c,
                                   static_cast<std::size_t>(last - first) * c),
                        out.subspan((to_row + static_cast<std::size_t>(first)) * c).begin());
    }
  }
  return std::move(builder).build();
}

Task image_task(const Config& config, const DataSet& set) {
  Images images = load_images(set, config.data.dir);
  check_sizes(config, set.name, images.train.size());
  const Rng rng(config.seed);
  Task task;
  task.classes = images.classes;
  task.test = {"test", images.test};
  task.validation = task.test;
  if (config.data.validation > 0) {
    const std::vector<std::uint32_t> order =
        rng.stream("validation").permutation(images.train.size());
    const std::span<const std::uint32_t> all(order);
    const std::size_t left = order.size() - config.data.validation;
    task.validation = {"validation", select(images.train, all.subspan(left))};
    images.train = select(images.train, all.first(left));
  }
  const Shape& shape = images.train.x.shape();
  task.example = {shape[1], shape[2], shape[3]};
  task.batches = std::make_unique<ImageBatches>(std::move(images.train), rng, config);
  return task;
}

}  // namespace palinode::experiments::train
