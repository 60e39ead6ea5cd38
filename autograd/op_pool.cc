#include "autograd/op_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode {

kernels::PoolShape pool_shape(std::string_view op, std::span<const Tensor> in,
                              const PoolSteps& steps) {
  require_same_dtype(op, in);
  const Shape& x = in[0].shape();
  if (x.rank() != 4) throw_shapes(op, "needs x [n, h, w, c]", in);
  std::array<kernels::ConvAxis, 2> axes{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::size_t window = steps.window[i], stride = steps.stride[i],
                      padding = steps.padding[i];
    constexpr std::size_t kLimit = std::size_t{1} << 31;
    if (window == 0 || stride == 0 || padding >= window || x[i + 1] == 0 ||
        std::max({window, stride, x[i + 1]}) >= kLimit || window > x[i + 1] + 2 * padding) {
      throw ShapeError(
          fmt::format("{}: a window is from 1 to the padded extent, its stride not 0 and the "
                      "padding below it: extent {}, window {}, stride {}, padding {}",
                      op, x[i + 1], window, stride, padding));
    }
    axes[i] = {x[i + 1], window, stride, padding, 1};
  }
  return {x[0], x[3], axes[0], axes[1]};
}

Sample pool_sample(const Rng& rng) {
  const auto below = [&](std::uint64_t draw, std::uint64_t n) {
    return static_cast<std::size_t>(rng.stream("steps").below(draw, n));
  };
  PoolSteps steps;
  std::array<std::size_t, 2> in{};
  for (std::size_t i = 0; i < 2; ++i) {
    steps.window[i] = 1 + below(4 * i, 3);
    steps.stride[i] = 1 + below(4 * i + 1, 3);
    steps.padding[i] = below(4 * i + 2, steps.window[i]);
    in[i] = steps.window[i] + below(4 * i + 3, 4);
  }
  const Shape shape = {below(8, 3), in[0], in[1], below(9, 4)};
  // Values apart from each other, so that a maximum is the same one after a small step.
  const Tensor draw = rng.normal(shape, Dtype::kF64);
  return {{filled<double>(shape,
                          [&](std::span<double> x) {
                            const std::span<const double> z = draw.values<double>();
                            for (std::size_t i = 0; i < x.size(); ++i) {
                              x[i] = static_cast<double>(static_cast<int>(z[i] * 100)) / 100 +
                                     static_cast<double>(i) / static_cast<double>(200 * x.size());
                            }
                          })},
          {.pool = steps}};
}

}  // namespace palinode
