#include "tensor/kernels/math.h"

#include <algorithm>
#include <array>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/math.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "tensor/error.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

// Each kernel turns one vector of every input into one of every output.
struct ExpKernel {
  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    y[0] = Exp(d, x[0]);
  }
};

struct LogKernel {
  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    y[0] = Log(d, x[0]);
  }
};

struct TanhKernel {
  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    y[0] = Tanh(d, x[0]);
  }
};

struct SinCosTurnsKernel {
  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* u, V* y) const {
    SinCosTurns(d, u[0], y[0], y[1]);
  }
};

struct FmaKernel {
  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    y[0] = Fma(d, x[0], x[1], x[2]);
  }
};

template <class Kernel, class T, size_t inputs, size_t outputs>
HWY_INLINE void Step(const std::array<const T*, inputs>& in, const std::array<T*, outputs>& out,
                     size_t i) {
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> x[inputs];
  hn::Vec<decltype(d)> y[outputs];
  for (size_t j = 0; j < inputs; ++j) x[j] = hn::LoadU(d, in[j] + i);
  Kernel()(d, x, y);
  for (size_t j = 0; j < outputs; ++j) hn::StoreU(y[j], d, out[j] + i);
}

// The last, incomplete vector goes through a buffer filled with ones, where every kernel is quiet.
template <class Kernel, class T, size_t inputs, size_t outputs>
HWY_INLINE void Map(const std::array<const T*, inputs>& in, const std::array<T*, outputs>& out,
                    size_t count) {
  constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) Step<Kernel>(in, out, i);
  if (i == count) return;
  T buffer_in[inputs][kLanes];
  T buffer_out[outputs][kLanes];
  std::array<const T*, inputs> x;
  std::array<T*, outputs> y;
  for (size_t j = 0; j < inputs; ++j) {
    std::fill_n(buffer_in[j], kLanes, T{1});
    std::copy_n(in[j] + i, count - i, buffer_in[j]);
    x[j] = buffer_in[j];
  }
  for (size_t j = 0; j < outputs; ++j) y[j] = buffer_out[j];
  Step<Kernel>(x, y, 0);
  for (size_t j = 0; j < outputs; ++j) std::copy_n(buffer_out[j], count - i, out[j] + i);
}

template <class Kernel, class T>
HWY_INLINE void Map1(const T* x, T* out, size_t count) {
  Map<Kernel>(std::array<const T*, 1>{x}, std::array<T*, 1>{out}, count);
}

void ExpF32(const float* x, float* out, size_t count) { Map1<ExpKernel>(x, out, count); }
void ExpF64(const double* x, double* out, size_t count) { Map1<ExpKernel>(x, out, count); }
void LogF32(const float* x, float* out, size_t count) { Map1<LogKernel>(x, out, count); }
void LogF64(const double* x, double* out, size_t count) { Map1<LogKernel>(x, out, count); }
void TanhF32(const float* x, float* out, size_t count) { Map1<TanhKernel>(x, out, count); }
void TanhF64(const double* x, double* out, size_t count) { Map1<TanhKernel>(x, out, count); }

void SinCosTurnsF64(const double* u, double* sin, double* cos, size_t count) {
  Map<SinCosTurnsKernel>(std::array<const double*, 1>{u}, std::array<double*, 2>{sin, cos}, count);
}

void FmaF32(const float* a, const float* b, const float* c, float* out, size_t count) {
  Map<FmaKernel>(std::array<const float*, 3>{a, b, c}, std::array<float*, 1>{out}, count);
}

void FmaF64(const double* a, const double* b, const double* c, double* out, size_t count) {
  Map<FmaKernel>(std::array<const double*, 3>{a, b, c}, std::array<double*, 1>{out}, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {

HWY_EXPORT(ExpF32);
HWY_EXPORT(ExpF64);
HWY_EXPORT(LogF32);
HWY_EXPORT(LogF64);
HWY_EXPORT(TanhF32);
HWY_EXPORT(TanhF64);
HWY_EXPORT(SinCosTurnsF64);
HWY_EXPORT(FmaF32);
HWY_EXPORT(FmaF64);

void exp(std::span<const float> x, std::span<float> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(ExpF32)(x.data(), out.data(), x.size());
}

void exp(std::span<const double> x, std::span<double> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(ExpF64)(x.data(), out.data(), x.size());
}

void log(std::span<const float> x, std::span<float> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(LogF32)(x.data(), out.data(), x.size());
}

void log(std::span<const double> x, std::span<double> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(LogF64)(x.data(), out.data(), x.size());
}

void tanh(std::span<const float> x, std::span<float> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(TanhF32)(x.data(), out.data(), x.size());
}

void tanh(std::span<const double> x, std::span<double> out) {
  PALINODE_ASSERT(out.size() == x.size());
  HWY_DYNAMIC_DISPATCH(TanhF64)(x.data(), out.data(), x.size());
}

void sin_cos_turns(std::span<const double> u, std::span<double> sin, std::span<double> cos) {
  PALINODE_ASSERT(sin.size() == u.size() && cos.size() == u.size());
  HWY_DYNAMIC_DISPATCH(SinCosTurnsF64)(u.data(), sin.data(), cos.data(), u.size());
}

void fma(std::span<const float> a, std::span<const float> b, std::span<const float> c,
         std::span<float> out) {
  PALINODE_ASSERT(b.size() == a.size() && c.size() == a.size() && out.size() == a.size());
  HWY_DYNAMIC_DISPATCH(FmaF32)(a.data(), b.data(), c.data(), out.data(), a.size());
}

void fma(std::span<const double> a, std::span<const double> b, std::span<const double> c,
         std::span<double> out) {
  PALINODE_ASSERT(b.size() == a.size() && c.size() == a.size() && out.size() == a.size());
  HWY_DYNAMIC_DISPATCH(FmaF64)(a.data(), b.data(), c.data(), out.data(), a.size());
}

}  // namespace palinode::kernels
#endif
