#include "autograd/gradient_sum.h"

#include <fmt/format.h>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor plus(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "gradient sum", [&]<class T>() {
    TensorBuilder builder(a.shape(), a.dtype());
    kernels::add(a.values<T>(), b.values<T>(), builder.values<T>());
    return std::move(builder).build();
  });
}

Tensor times(const Tensor& x, double factor) {
  return with_float(x.dtype(), "gradient sum", [&]<class T>() {
    TensorBuilder builder(x.shape(), x.dtype());
    kernels::scale(x.values<T>(), static_cast<T>(factor), builder.values<T>());
    return std::move(builder).build();
  });
}

}  // namespace

void GradientSum::add(const Gradients& gradients) {
  for (const Gradients::Item& item : gradients.items()) {
    const Gradients::Item* before = sum_.find_item(*item.store, item.entry);
    if (before == nullptr || before->written == item.written) continue;
    throw StaleReadError(fmt::format(
        "gradient sum: {}/{} was read as of write {} and, for the gradients before, of write {}",
        item.store->name(), item.store->entries()[item.entry].name, item.written, before->written));
  }
  for (const Gradients::Item& item : gradients.items()) {
    bool found = false;
    for (Gradients::Item& sum : sum_.items_) {
      if (sum.store != item.store || sum.entry != item.entry) continue;
      sum.value = plus(sum.value, item.value);
      found = true;
    }
    if (!found) sum_.items_.push_back(item);
  }
  ++count_;
}

void GradientSum::add(const Gradients& like, std::span<const Tensor> values) {
  if (values.size() != like.items_.size()) {
    throw ShapeError(
        fmt::format("gradient sum: expected {} values, got {}", like.items_.size(), values.size()));
  }
  Gradients gradients;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Gradients::Item& item = like.items_[i];
    if (values[i].shape() != item.value.shape() || values[i].dtype() != item.value.dtype()) {
      throw ShapeError(fmt::format("gradient sum: {}/{}: expected {}, got {}", item.store->name(),
                                   item.store->entries()[item.entry].name, item.value.describe(),
                                   values[i].describe()));
    }
    gradients.items_.push_back({item.store, item.entry, values[i], item.written});
  }
  add(gradients);
}

Gradients GradientSum::mean() const {
  if (count_ == 0) throw Error("gradient sum: the mean of no gradients");
  if (count_ == 1) return sum_;
  Gradients mean = sum_;
  for (Gradients::Item& item : mean.items_) {
    item.value = times(item.value, 1.0 / static_cast<double>(count_));
  }
  return mean;
}

}  // namespace palinode
