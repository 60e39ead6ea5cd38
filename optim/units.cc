#include "optim/units.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>

#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::optim {

Tensor seal_of(std::uint64_t step, std::span<const Tensor> values) {
  Sha256 sha;
  sha.add(step);
  for (const Tensor& value : values) sha.add(hex(xxh3(value)));
  const auto words = std::bit_cast<std::array<std::int32_t, 8>>(sha.finish());
  return Tensor::from<std::int32_t>(words, {8});
}

bool same_values(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && xxh3(a) == xxh3(b);
}

std::vector<double> in_reals(std::span<const std::int64_t> units, double unit) {
  std::vector<double> values;
  values.reserve(units.size());
  for (const std::int64_t each : units) values.push_back(static_cast<double>(each) * unit);
  return values;
}

Tensor in_tensor(std::span<const std::int64_t> units, double unit, const Shape& shape,
                 Dtype dtype) {
  return Tensor::from<double>(in_reals(units, unit), shape).to(dtype);
}

void check_range(std::span<const std::int64_t> units, double unit, double limit,
                 std::string_view what) {
  for (const std::int64_t each : units) {
    if (std::abs(static_cast<double>(each)) < limit) continue;
    throw Error(fmt::format("reversible: {} would be beyond {}", what, limit * unit));
  }
}

Units to_units(std::span<const double> values, double unit, double limit, std::string_view what) {
  Units units;
  units.reserve(values.size());
  for (const double value : values) {
    const double each = std::nearbyint(value / unit);
    if (!(std::abs(each) < limit)) {
      throw Error(fmt::format("reversible: {} holds {}, which is beyond {} or not finite", what,
                              value, limit * unit));
    }
    units.push_back(static_cast<std::int64_t>(each));
  }
  return units;
}

Units to_units(const Tensor& values, double unit, double limit, std::string_view what) {
  const Tensor wide = values.compact().to(Dtype::kF64);
  return to_units(wide.values<double>(), unit, limit, what);
}

}  // namespace palinode::optim
