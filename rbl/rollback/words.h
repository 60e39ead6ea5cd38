// Some words of a tensor, with their places: what an arm keeps that does not keep all of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "autograd/op_spec.h"
#include "tensor/tensor.h"

namespace palinode::rbl {

struct Words {
  std::vector<std::uint32_t> index;  // ascending, in row-major order
  Tensor value;                      // [index.size()]

  std::uint64_t bytes() const { return index.size() * sizeof(std::uint32_t) + value.bytes(); }
};

inline Words pick(const Tensor& from, std::vector<std::uint32_t> index) {
  const Tensor value = with_float(from.dtype(), "pick", [&]<class T>() {
    return filled<T>({index.size()}, [&](std::span<T> out) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = from.values<T>()[index[i]];
    });
  });
  return {std::move(index), value};
}

inline Tensor patched(const Tensor& value, const Words& words) {
  return with_float(value.dtype(), "patch", [&]<class T>() {
    return filled<T>(value.shape(), [&](std::span<T> out) {
      std::ranges::copy(value.values<T>(), out.begin());
      const std::span<const T> kept = words.value.values<T>();
      for (std::size_t i = 0; i < kept.size(); ++i) out[words.index[i]] = kept[i];
    });
  });
}

}  // namespace palinode::rbl
