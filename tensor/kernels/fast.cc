#include "tensor/kernels/fast.h"

#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/fast.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/fast_erf-inl.h"
#include "tensor/kernels/fast_trig-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class Formula>
HWY_INLINE void map(const float* x, float* out, std::size_t n, const Formula& formula) {
  const hn::ScalableTag<float> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, formula(d, access.load(d, x + i)), out + i);
  });
}

void exp(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return ExpFast(d, v); });
}

void log(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return LogFast(d, v); });
}

void tanh(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return TanhFast(d, v); });
}

void sigmoid(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return SigmoidFast(d, v); });
}

void erf(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return ErfFast(d, v); });
}

void gelu(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return GeluFast(d, v); });
}

void gelu_tanh(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return GeluTanhFast(d, v); });
}

void sin(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return SinFast(d, v); });
}

void cos(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return CosFast(d, v); });
}

void rsqrt(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return RsqrtFast(d, v); });
}

FastTable fast_table() {
  return {.exp = exp,
          .log = log,
          .tanh = tanh,
          .sigmoid = sigmoid,
          .erf = erf,
          .gelu = gelu,
          .gelu_tanh = gelu_tanh,
          .sin = sin,
          .cos = cos,
          .rsqrt = rsqrt};
}

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(fast_table);

// Below this many values per thread, waking a thread costs more than it saves.
constexpr std::size_t kMinPerThread = 32768;

void run(UnaryFunction<float> FastTable::*function, std::span<const float> x,
         std::span<float> out) {
  PALINODE_ASSERT(x.size() == out.size());
  const FastTable table = HWY_DYNAMIC_DISPATCH(fast_table)();
  const auto body = [&](std::size_t begin, std::size_t end) {
    (table.*function)(x.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

}  // namespace

void exp_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::exp, x, out); }

void log_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::log, x, out); }

void tanh_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::tanh, x, out); }

void sigmoid_fast(std::span<const float> x, std::span<float> out) {
  run(&FastTable::sigmoid, x, out);
}

void erf_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::erf, x, out); }

void gelu_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::gelu, x, out); }

void gelu_tanh_fast(std::span<const float> x, std::span<float> out) {
  run(&FastTable::gelu_tanh, x, out);
}

void sin_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::sin, x, out); }

void cos_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::cos, x, out); }

void rsqrt_fast(std::span<const float> x, std::span<float> out) { run(&FastTable::rsqrt, x, out); }

}  // namespace palinode::kernels
#endif  // HWY_ONCE
