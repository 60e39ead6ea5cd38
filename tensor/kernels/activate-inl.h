// The activation of finished outputs of the matrix product, tile by tile.

#if defined(PALINODE_TENSOR_KERNELS_ACTIVATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ACTIVATE_INL_H_
#undef PALINODE_TENSOR_KERNELS_ACTIVATE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ACTIVATE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "tensor/kernels/elementwise-inl.h"
#include "tensor/kernels/erf-inl.h"
#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/fast_erf-inl.h"
#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/sigmoid-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Applies the activation to rows x cols outputs, rows `row` apart.
template <class T>
HWY_NOINLINE void activate(Activation activation, T* c, std::size_t rows, std::size_t cols,
                           std::size_t row) {
  const hn::ScalableTag<T> d;
  const auto apply = [=](const auto& formula) HWY_ATTR {
    for (std::size_t i = 0; i < rows; ++i) {
      T* out = c + i * row;
      for_each_vector(d, cols, [=, &formula](auto access, std::size_t j) HWY_ATTR {
        access.store(d, formula(access.load(d, out + j)), out + j);
      });
    }
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    switch (activation) {
      case Activation::kTanhFast:
        return apply([=](auto x) HWY_ATTR { return TanhFast(d, x); });
      case Activation::kSigmoidFast:
        return apply([=](auto x) HWY_ATTR { return SigmoidFast(d, x); });
      case Activation::kGeluFast:
        return apply([=](auto x) HWY_ATTR { return GeluFast(d, x); });
      case Activation::kGeluTanhFast:
        return apply([=](auto x) HWY_ATTR { return GeluTanhFast(d, x); });
      default:
        break;
    }
  }
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return apply([=](auto x) HWY_ATTR { return ZeroUnlessPositive(d, x, x); });
    case Activation::kTanh:
    case Activation::kTanhFast:
      return apply([=](auto x) HWY_ATTR { return Tanh(d, x); });
    case Activation::kSigmoid:
    case Activation::kSigmoidFast:
      return apply([=](auto x) HWY_ATTR { return Sigmoid(d, x); });
    case Activation::kGelu:
    case Activation::kGeluFast:
      return apply([=](auto x) HWY_ATTR { return Gelu(d, x); });
    case Activation::kGeluTanh:
    case Activation::kGeluTanhFast:
      return apply([=](auto x) HWY_ATTR { return GeluTanh(d, x); });
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
