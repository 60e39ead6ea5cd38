#include "experiments/subjects/labelled_task.h"

#include <memory>
#include <mutex>
#include <vector>

#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::experiments {

Task labelled_task(std::string name, Labelled train, Labelled held_out) {
  Task task;
  task.name = std::move(name);
  task.batches = [train](const Rng& stream, std::size_t size) -> BatchAt {
    // Cells on other threads train the same identity again: Batches keeps its epoch's order.
    struct Shared {
      std::mutex mutex;
      Batches batches;
    };
    const std::shared_ptr<Shared> shared(new Shared{{}, Batches(train, stream, size)});
    return [shared](std::uint64_t t) {
      const std::scoped_lock lock(shared->mutex);
      return shared->batches.at(t);
    };
  };
  task.train = std::move(train);
  task.held_out = std::move(held_out);
  return task;
}

Labelled with_labels_moved(const Labelled& examples, std::size_t by, std::size_t classes) {
  TensorBuilder moved(examples.y.shape(), Dtype::kI32);
  const std::span<const std::int32_t> from = examples.y.values<std::int32_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    moved.values<std::int32_t>()[i] =
        static_cast<std::int32_t>((static_cast<std::size_t>(from[i]) + by) % classes);
  }
  return {examples.x, std::move(moved).build()};
}

Tensor probes_of(const Labelled& train, const Labelled& held_out, std::size_t half) {
  const Tensor parts[] = {train.x.rows(0, half), held_out.x.rows(0, half)};
  return concat(parts, 0);
}

Tensor random_inputs(const Tensor& like, std::size_t rows, double low, double high,
                     const Rng& stream) {
  std::vector<std::size_t> extents(like.shape().extents().begin(), like.shape().extents().end());
  extents.front() = rows;
  TensorBuilder x(Shape(std::span<const std::size_t>(extents)), Dtype::kF32);
  const std::span<float> values = x.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(low + (high - low) * stream.uniform(i));
  }
  return std::move(x).build();
}

}  // namespace palinode::experiments
