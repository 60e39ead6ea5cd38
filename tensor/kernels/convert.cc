#include "tensor/kernels/convert.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/convert.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/convert-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class H, class T>
void widen(const std::uint16_t* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::uint16_t, decltype(d)> d16;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, Widen(H{}, d, access.load(d16, x + i)), out + i);
  });
}

template <class H, class T>
void narrow(const T* x, std::uint16_t* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::uint16_t, decltype(d)> d16;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d16, Narrow(H{}, d, access.load(d, x + i)), out + i);
  });
}

template <class T>
ConvertTable<T> make_table() {
  return {.widen_bf16 = widen<BFloat16, T>,
          .widen_f16 = widen<Float16, T>,
          .narrow_bf16 = narrow<BFloat16, T>,
          .narrow_f16 = narrow<Float16, T>};
}

ConvertTable<float> convert_f32() { return make_table<float>(); }
ConvertTable<double> convert_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(convert_f32);
HWY_EXPORT(convert_f64);

ConvertTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(convert_f32)(); }
ConvertTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(convert_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 32768;

static_assert(sizeof(BFloat16) == sizeof(std::uint16_t));
static_assert(sizeof(Float16) == sizeof(std::uint16_t));

template <class From, class To>
void run(void (*function)(const From*, To*, std::size_t), const From* x, To* out, std::size_t n) {
  const auto body = [=](std::size_t begin, std::size_t end) {
    function(x + begin, out + begin, end - begin);
  };
  parallel_for(n, kMinPerThread, std::ref(body));
}

}  // namespace

template <class From, class To>
void widen(std::span<const From> x, std::span<To> out) {
  PALINODE_ASSERT(out.size() == x.size());
  const bool bf16 = std::is_same_v<From, BFloat16>;
  const auto bits = reinterpret_cast<const std::uint16_t*>(x.data());
  run(bf16 ? table(To{}).widen_bf16 : table(To{}).widen_f16, bits, out.data(), x.size());
}

template <class From, class To>
void narrow(std::span<const From> x, std::span<To> out) {
  PALINODE_ASSERT(out.size() == x.size());
  const bool bf16 = std::is_same_v<To, BFloat16>;
  const auto bits = reinterpret_cast<std::uint16_t*>(out.data());
  run(bf16 ? table(From{}).narrow_bf16 : table(From{}).narrow_f16, x.data(), bits, x.size());
}

template void widen(std::span<const BFloat16>, std::span<float>);
template void widen(std::span<const BFloat16>, std::span<double>);
template void widen(std::span<const Float16>, std::span<float>);
template void widen(std::span<const Float16>, std::span<double>);
template void narrow(std::span<const float>, std::span<BFloat16>);
template void narrow(std::span<const double>, std::span<BFloat16>);
template void narrow(std::span<const float>, std::span<Float16>);
template void narrow(std::span<const double>, std::span<Float16>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
