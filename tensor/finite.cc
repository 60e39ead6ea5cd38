#include "tensor/finite.h"

#include <algorithm>
#include <cmath>

namespace palinode {

std::optional<std::size_t> first_not_finite(const Tensor& tensor) {
  const Tensor compact = tensor.compact();
  return with_float(tensor.dtype(), "finite", [&]<class T>() -> std::optional<std::size_t> {
    const std::span<const T> values = compact.values<T>();
    const auto found = std::ranges::find_if(values, [](T x) { return !std::isfinite(x); });
    if (found == values.end()) return std::nullopt;
    return static_cast<std::size_t>(found - values.begin());
  });
}

}  // namespace palinode
