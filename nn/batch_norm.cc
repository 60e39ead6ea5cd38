#include "nn/batch_norm.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace palinode::nn {
namespace {

// (1 - momentum) * old + momentum * (factor * batch), each coefficient rounded to the type.
Tensor moved(const Tensor& old, const Tensor& batch, double factor, double momentum) {
  return with_float(old.dtype(), "batch_norm", [&]<class T>() {
    TensorBuilder builder(old.shape(), old.dtype());
    const std::span<T> out = builder.values<T>();
    const std::span<const T> past = old.values<T>(), now = batch.values<T>();
    const T keep = static_cast<T>(1 - momentum), take = static_cast<T>(momentum);
    const T scale = static_cast<T>(factor);
    for (std::size_t j = 0; j < out.size(); ++j) {
      out[j] = keep * past[j] + take * (scale * now[j]);
    }
    return std::move(builder).build();
  });
}

}  // namespace

BatchNorm::BatchNorm(const Store& store, const Store& buffers, std::string name,
                     const BatchNormConfig& config)
    : store_(&store),
      buffers_(&buffers),
      name_(std::move(name)),
      weight_(name_ + ".weight"),
      bias_(name_ + ".bias"),
      mean_(name_ + ".running_mean"),
      var_(name_ + ".running_var"),
      config_(config) {
  if (buffers.role() == Role::kBuffer) return;
  throw NameError(
      fmt::format("batch_norm: {}: its statistics need a store with the role buffer, {} has the "
                  "role {}",
                  name_, buffers.name(), role_name(buffers.role())));
}

// In train mode the output depends on the batch and the statistics move: with statistics of its own
// that is no function of a frozen identity. With those of a behavior it is a function of the two.
void BatchNorm::check_training(const Store& buffers) const {
  const bool own = &buffers == buffers_;
  for (const Store* store : {own ? store_ : nullptr, &buffers}) {
    if (store == nullptr || !store->frozen()) continue;
    throw FrozenError(fmt::format(
        "batch_norm: {}: {} is frozen since write {}, and in train mode the layer would use and "
        "move the statistics of the batch; run it in eval mode, or attach a behavior that keeps "
        "statistics of its own for {}",
        name_, store->name(), store->frozen_since(), name_));
  }
}

Var BatchNorm::operator()(Run& run, Var x) const {
  const Store& buffers = run.buffers(name_, *buffers_);
  if (run.training()) check_training(buffers);
  const Var gamma = run.parameter(*store_, weight_);
  const Var beta = run.parameter(*store_, bias_);
  // Read through the tape, so that a pass sees one value of them.
  const Tensor& mean = run.parameter(buffers, mean_).value();
  const Tensor& var = run.parameter(buffers, var_).value();
  if (!run.training()) return batch_norm(x, gamma, beta, {mean, var}, config_.eps);
  const BatchNormed normed = batch_norm(x, gamma, beta, config_.eps);
  const BatchStatistics& found = normed.statistics;
  const auto rows = static_cast<double>(found.rows);
  const double unbiased = found.rows > 1 ? rows / (rows - 1) : 1;
  run.write_buffer(buffers, mean_, moved(mean, found.mean, 1, config_.momentum));
  run.write_buffer(buffers, var_, moved(var, found.variance, unbiased, config_.momentum));
  return normed.y;
}

void BatchNorm::declare(Parameters& parameters) const {
  const Shape shape{config_.channels};
  parameters.push_back({store_, weight_, shape, ones()});
  parameters.push_back({store_, bias_, shape, zeros()});
  parameters.push_back({buffers_, mean_, shape, zeros()});
  parameters.push_back({buffers_, var_, shape, ones()});
}

}  // namespace palinode::nn
