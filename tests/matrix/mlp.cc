// A classifier that learns what another network of random weights says.
#include "nn/mlp.h"

#include <algorithm>

#include "tests/matrix/parts.h"
#include "tests/matrix/training.h"

namespace palinode::matrix {
namespace {

// Primes, so that every tile and every vector has a tail. The full batch is work enough for seven
// threads in the products and the activation; the small ones stay on one.
constexpr std::size_t kInputs = 37, kHidden = 53, kClasses = 11;
constexpr std::size_t kRows = 1087, kSmallBatch = 17;
constexpr std::uint64_t kFullBatchEvery = 100;

// The place of the largest number of each row.
Tensor best_of_rows(const Tensor& logits) {
  const std::size_t rows = logits.shape()[0], cols = logits.shape()[1];
  const Tensor wide = logits.to(Dtype::kF64);
  const std::span<const double> values = wide.values<double>();
  std::vector<std::int32_t> best(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = values.subspan(i * cols, cols);
    best[i] = static_cast<std::int32_t>(std::ranges::max_element(row) - row.begin());
  }
  return Tensor::from<std::int32_t>(best, {rows});
}

Batch make_data(const Rng& rng, Dtype dtype) {
  Ledger ledger(Ledger::Level::kOff);
  const nn::Mlp teacher(ledger.open("teacher", Role::kIdentity), {.sizes = {kInputs, kClasses}});
  ledger.commit(teacher.init(rng.stream("teacher"), dtype));
  const Tensor x = rng.stream("x").normal({kRows, kInputs}, dtype);
  return {x, best_of_rows(nn::evaluate(teacher, x))};
}

Batch rows_of(const Batch& data, std::size_t begin, std::size_t end) {
  return {data.x.rows(begin, end), data.labels.rows(begin, end)};
}

Sha256Digest train(Dtype dtype, std::uint64_t steps) {
  const Rng rng = Rng(7).stream("mlp").stream(dtype_name(dtype));
  const Batch data = make_data(rng.stream("data"), dtype);
  Training training;
  const nn::Mlp model(training.theta(), {.sizes = {kInputs, kHidden, kHidden, kClasses}});
  training.ledger().commit(model.init(rng.stream("init"), dtype));
  for (std::uint64_t step = 0; step < steps; ++step) {
    // A small batch begins at any row, so its values are aligned to nothing.
    const std::size_t begin = rng.stream("batch").below(step, kRows - kSmallBatch);
    training.step(model,
                  step % kFullBatchEvery == 0 ? data : rows_of(data, begin, begin + kSmallBatch));
  }
  return training.digest();
}

}  // namespace

Sha256Digest train_mlp(std::uint64_t steps) {
  return Sha256().add(train(Dtype::kF32, steps)).add(train(Dtype::kF64, steps / 5)).finish();
}

}  // namespace palinode::matrix
