#include "tests/support/op_definitions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
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
    const std::uint64_t place = s.attrs.begin + i, block = place / 4;
    const auto words = philox({low(block), low(block >> 32), low(stream), low(stream >> 32)},
                              {low(seed), low(seed >> 32)});
    y[i] = words[place % 4] < std::floor(s.attrs.rate * 0x1p32) ? 0 : y[i] / (1 - s.attrs.rate);
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

// y at each place of the shape is x at from(place), 0 where that is nothing.
template <class From>
Values moved(const Sample& s, const Shape& shape, const From& from) {
  const Values x = input(s, 0);
  Values y;
  for (std::size_t i = 0; i < shape.elements(); ++i) {
    y.push_back(x[index_of(s.inputs[0].shape(), from(place_of(shape, i)))]);
  }
  return y;
}

Shape with_extent(const Shape& shape, std::size_t axis, std::size_t extent) {
  std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
  extents[axis] = extent;
  return Shape(extents);
}

Values permute_of(const Sample& s) {
  const Shape& x = s.inputs[0].shape();
  std::vector<std::size_t> extents;
  for (std::size_t i = 0; i < x.rank(); ++i) extents.push_back(x[s.attrs.order[i]]);
  return moved(s, Shape(extents), [&](const Place& to) {
    Place from(to.size());
    for (std::size_t i = 0; i < to.size(); ++i) from[s.attrs.order[i]] = to[i];
    return from;
  });
}

Values slice_of(const Sample& s) {
  const std::size_t axis = s.attrs.axis, begin = s.attrs.begin;
  return moved(s, with_extent(s.inputs[0].shape(), axis, s.attrs.end - begin), [&](Place place) {
    place[axis] += begin;
    return place;
  });
}

Values broadcast_to_of(const Sample& s) {
  const Values x = input(s, 0);
  Values y;
  for (std::size_t i = 0; i < s.attrs.shape.elements(); ++i) {
    y.push_back(x[repeated_index(s.inputs[0].shape(), place_of(s.attrs.shape, i))]);
  }
  return y;
}

Values gather_of(const Sample& s) {
  const Tensor& indices = s.attrs.indices;
  return moved(s, indices.shape(), [&](Place place) {
    const std::size_t i = index_of(indices.shape(), place);
    place[s.attrs.axis] = static_cast<std::size_t>(indices.values<std::int32_t>()[i]);
    return place;
  });
}

Values masked_fill_of(const Sample& s) {
  Values y = input(s, 0);
  const Shape &shape = s.inputs[0].shape(), &mask = s.attrs.mask.shape();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t at = repeated_index(mask, place_of(shape, i));
    if (s.attrs.mask.values<std::int32_t>()[at] != 0) y[i] = s.attrs.low;
  }
  return y;
}

// Operands that have an axis, one after the other along it.
Values concat_of(const Sample& s, const std::vector<Shape>& shapes) {
  const std::size_t axis = s.attrs.axis;
  std::size_t extent = 0;
  for (const Shape& shape : shapes) extent += shape[axis];
  const Shape whole = with_extent(shapes[0], axis, extent);
  Values y;
  for (std::size_t i = 0; i < whole.elements(); ++i) {
    Place place = place_of(whole, i);
    std::size_t k = 0;
    while (place[axis] >= shapes[k][axis]) place[axis] -= shapes[k++][axis];
    y.push_back(input(s, k)[index_of(shapes[k], place)]);
  }
  return y;
}

Values concat_of(const Sample& s) {
  std::vector<Shape> shapes;
  for (const Tensor& part : s.inputs) shapes.push_back(part.shape());
  return concat_of(s, shapes);
}

Values stack_of(const Sample& s) {
  const Shape& shape = s.inputs[0].shape();
  std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
  extents.insert(extents.begin() + static_cast<std::ptrdiff_t>(s.attrs.axis), 1);
  return concat_of(s, std::vector<Shape>(s.inputs.size(), Shape(extents)));
}

// reduce(the values along the axis) for each place of the others.
template <class Reduce>
Values along_axis(const Sample& s, const Reduce& reduce) {
  const Shape& shape = s.inputs[0].shape();
  const Values x = input(s, 0);
  const Shape rest = with_extent(shape, s.attrs.axis, 1);
  Values y;
  for (std::size_t i = 0; i < rest.elements(); ++i) {
    Place place = place_of(rest, i);
    Values line;
    for (; place[s.attrs.axis] < shape[s.attrs.axis]; ++place[s.attrs.axis]) {
      line.push_back(x[index_of(shape, place)]);
    }
    y.push_back(reduce(line));
  }
  return y;
}

Values linear_of(const Sample& s) {
  const Values x = input(s, 0), w = input(s, 1);
  const std::size_t k = s.inputs[1].shape()[0], n = s.inputs[1].shape()[1];
  Values y;
  for (std::size_t i = 0; i < s.inputs[0].shape().rows() * n; ++i) {
    double sum = s.inputs.size() == 3 ? input(s, 2)[i % n] : 0;
    for (std::size_t l = 0; l < k; ++l) sum += x[i / n * k + l] * w[l * n + i % n];
    if (s.attrs.activation == kernels::Activation::kTanh) sum = std::tanh(sum);
    if (s.attrs.activation == kernels::Activation::kSigmoid) sum = 1 / (1 + std::exp(-sum));
    y.push_back(sum);
  }
  return y;
}

Definition each(double (*f)(double)) {
  return [f](const Sample& s) {
    Values y = input(s, 0);
    for (double& x : y) x = f(x);
    return y;
  };
}

double total_of(const Values& line) { return std::accumulate(line.begin(), line.end(), 0.0); }

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
      {"linear", linear_of},
      {"silu", each([](double x) { return x / (1 + std::exp(-x)); })},
      {"sqrt", each([](double x) { return std::pow(x, 0.5); })},
      {"square", each([](double x) { return std::pow(x, 2); })},
      {"clamp",
       [](const Sample& s) {
         Values y = input(s, 0);
         for (double& x : y) x = std::min(std::max(x, s.attrs.low), s.attrs.high);
         return y;
       }},
      {"permute", permute_of},
      {"slice", slice_of},
      {"concat", [](const Sample& s) { return concat_of(s); }},
      {"stack", stack_of},
      {"broadcast_to", broadcast_to_of},
      {"gather", gather_of},
      {"masked_fill", masked_fill_of},
      {"sum_axis", [](const Sample& s) { return along_axis(s, total_of); }},
      {"mean_axis",
       [](const Sample& s) {
         return along_axis(s, [](const Values& line) {
           return total_of(line) / static_cast<double>(line.size());
         });
       }},
      {"max_axis",
       [](const Sample& s) {
         return along_axis(s, [](const Values& line) { return std::ranges::max(line); });
       }},
      {"embedding", embedding_of},
      {"dropout", dropout_of},
      {"max_pool2d", [](const Sample& s) { return windows_of(s, largest_of); }},
      {"avg_pool2d", [](const Sample& s) { return windows_of(s, mean_of); }},
      {"batch_norm", batch_norm_of}};
  return kAll;
}

}  // namespace palinode
