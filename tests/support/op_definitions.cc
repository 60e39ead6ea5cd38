#include "tests/support/op_definitions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace palinode {
namespace {

using Place = std::vector<std::size_t>;

Values input(const Sample& sample, std::size_t k) {
  const Tensor x = sample.inputs[k].compact();
  const std::span<const double> values = x.values<double>();
  return {values.begin(), values.end()};
}

Place place_of(const Shape& shape, std::size_t i) {
  Place place(shape.rank());
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    place[axis] = i % shape[axis];
    i /= shape[axis];
  }
  return place;
}

std::size_t index_of(const Shape& shape, const Place& place) {
  std::size_t i = 0;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) i = i * shape[axis] + place[axis];
  return i;
}

// The place in a shape that is repeated to reach `place` of a larger one.
std::size_t repeated_index(const Shape& shape, const Place& place) {
  Place mine(place.end() - static_cast<std::ptrdiff_t>(shape.rank()), place.end());
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) mine[axis] = 0;
  }
  return index_of(shape, mine);
}

Shape joined(const Shape& a, const Shape& b) {
  std::vector<std::size_t> extents(std::max(a.rank(), b.rank()));
  for (std::size_t i = 1; i <= extents.size(); ++i) {
    const std::size_t left = i <= a.rank() ? a[a.rank() - i] : 1;
    const std::size_t right = i <= b.rank() ? b[b.rank() - i] : 1;
    extents[extents.size() - i] = left == 1 ? right : left;
  }
  return Shape(extents);
}

Definition repeated(double (*f)(double, double)) {
  return [f](const Sample& s) {
    const Shape &a = s.inputs[0].shape(), &b = s.inputs[1].shape();
    const Shape shape = joined(a, b);
    const Values x = input(s, 0), z = input(s, 1);
    Values y;
    for (std::size_t i = 0; i < shape.elements(); ++i) {
      const Place place = place_of(shape, i);
      y.push_back(f(x[repeated_index(a, place)], z[repeated_index(b, place)]));
    }
    return y;
  };
}

Values embedding_of(const Sample& s) {
  const Values weight = input(s, 0);
  const std::size_t d = s.inputs[0].shape()[1];
  Values y;
  for (const std::int32_t id : s.attrs.indices.values<std::int32_t>()) {
    for (std::size_t j = 0; j < d; ++j) y.push_back(weight[static_cast<std::size_t>(id) * d + j]);
  }
  return y;
}

Values dropout_of(const Sample& s) {
  Values y = input(s, 0);
  const auto stream = s.attrs.key.stream;
  const auto seed = s.attrs.key.seed;
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::uint64_t block = i / 4;
    const auto words = philox({low(block), low(block >> 32), low(stream), low(stream >> 32)},
                              {low(seed), low(seed >> 32)});
    y[i] = words[i % 4] < std::floor(s.attrs.rate * 0x1p32) ? 0 : y[i] / (1 - s.attrs.rate);
  }
  return y;
}

// The values of each window, none where it lies beyond x.
template <class Reduce>
Values windows_of(const Sample& s, const Reduce& reduce) {
  const Shape& shape = s.inputs[0].shape();
  const PoolSteps& steps = s.attrs.pool;
  const Values x = input(s, 0);
  const auto outputs = [&](std::size_t a) {
    return (shape[a + 1] + 2 * steps.padding[a] - steps.window[a]) / steps.stride[a] + 1;
  };
  const Shape out = {shape[0], outputs(0), outputs(1), shape[3]};
  Values y;
  for (std::size_t at = 0; at < out.elements(); ++at) {
    const Place place = place_of(out, at);
    std::vector<std::optional<double>> window;
    for (std::size_t p = 0; p < steps.window[0]; ++p) {
      for (std::size_t q = 0; q < steps.window[1]; ++q) {
        const std::size_t i = place[1] * steps.stride[0] + p - steps.padding[0];
        const std::size_t j = place[2] * steps.stride[1] + q - steps.padding[1];
        const bool inside = i < shape[1] && j < shape[2];  // below 0 is far above
        window.push_back(inside ? std::optional(x[index_of(shape, {place[0], i, j, place[3]})])
                                : std::nullopt);
      }
    }
    y.push_back(reduce(window));
  }
  return y;
}

Values batch_norm_of(const Sample& s) {
  const std::size_t cols = s.inputs[0].shape().last(), rows = s.inputs[0].shape().rows();
  Values y = input(s, 0);
  for (std::size_t j = 0; j < cols; ++j) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < rows; ++i) mean += y[i * cols + j] / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      variance += std::pow(y[i * cols + j] - mean, 2) / static_cast<double>(rows);
    }
    if (!s.attrs.mean.empty()) {
      mean = s.attrs.mean.values<double>()[j];
      variance = s.attrs.variance.values<double>()[j];
    }
    for (std::size_t i = 0; i < rows; ++i) {
      double& value = y[i * cols + j];
      value = (value - mean) / std::sqrt(variance + s.attrs.eps) * input(s, 1)[j] + input(s, 2)[j];
    }
  }
  return y;
}

using Window = std::vector<std::optional<double>>;

double largest_of(const Window& window) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const auto& value : window) largest = std::max(largest, value.value_or(largest));
  return largest;
}

double mean_of(const Window& window) {
  double sum = 0;
  for (const auto& value : window) sum += value.value_or(0);
  return sum / static_cast<double>(window.size());
}

}  // namespace

const std::map<std::string, Definition>& more_definitions() {
  static const std::map<std::string, Definition> kAll = {
      {"add", repeated([](double a, double b) { return a + b; })},
      {"sub", repeated([](double a, double b) { return a - b; })},
      {"mul", repeated([](double a, double b) { return a * b; })},
      {"div", repeated([](double a, double b) { return a / b; })},
      {"minimum", repeated([](double a, double b) { return std::min(a, b); })},
      {"maximum", repeated([](double a, double b) { return std::max(a, b); })},
      {"embedding", embedding_of},
      {"dropout", dropout_of},
      {"max_pool2d", [](const Sample& s) { return windows_of(s, largest_of); }},
      {"avg_pool2d", [](const Sample& s) { return windows_of(s, mean_of); }},
      {"batch_norm", batch_norm_of}};
  return kAll;
}

}  // namespace palinode
