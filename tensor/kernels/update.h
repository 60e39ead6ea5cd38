// Optimizer steps, fused (docs/arithmetic.md, section 7): what Ledger::commit computes into memory
// of its own.
//
// T is float or double. All spans of a call have the same length, which may be 0. An output may be
// exactly the input it replaces, or be disjoint from the inputs. Coefficients are computed in f64
// and rounded once by the caller. The rules (sgd, sgd_momentum, adam, rmsprop) return whether all
// values they wrote are finite.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/kernels/change.h"

namespace palinode::kernels {

// Where a rule adds up how far its outputs are from what they replace, if that is wanted: w_out
// first, then the moments in their order. Such a call is one thread's.
template <class T>
using Changes = std::span<ChangeSum<T>* const>;

template <class T>
struct SgdStep {
  T lr{};
  T momentum{};           // mu; used by sgd_momentum only
  T weight_decay{};       // 0: the gradient is used as it is
  bool nesterov = false;  // used by sgd_momentum only
};

// A gradient before its rule sees it: out = g * scale (g itself if scale is 1); where that is
// finite, it is then limited to [-limit, limit] (unless limit is infinite). What is not finite
// stays so, for commit to find.
template <class T>
void prepare_gradient(T scale, T limit, std::span<const T> g, std::span<T> out);

// g = g + wd * w (unless wd is 0);  w_out = w - lr * g.
template <class T>
bool sgd(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<T> w_out,
         Changes<T> changes = {});

// g = g + wd * w (unless wd is 0);  v_out = mu * v + g;  w_out = w - lr * v_out, or with Nesterov's
// look ahead w_out = w - lr * (g + mu * v_out).
template <class T>
bool sgd_momentum(const SgdStep<T>& step, std::span<const T> g, std::span<const T> w,
                  std::span<const T> v, std::span<T> w_out, std::span<T> v_out,
                  Changes<T> changes = {});

// The coefficients of Adam at one step; with decay, of AdamW.
template <class T>
struct AdamStep {
  T beta1{};
  T one_minus_beta1{};
  T beta2{};
  T one_minus_beta2{};
  T a{};  // lr / (1 - beta1^t)
  T r{};  // 1 / sqrt(1 - beta2^t)
  T eps{};
  T decay{};  // lr * weight decay, decoupled (AdamW); 0: none
};

// m_out = b1 * m + (1 - b1) * g;  v_out = b2 * v + ((1 - b2) * g) * g;
// w = w - decay * w (unless decay is 0);  w_out = w - a * (m_out / (sqrt(v_out) * r + eps)).
template <class T>
bool adam(const AdamStep<T>& step, std::span<const T> g, std::span<const T> w, std::span<const T> m,
          std::span<const T> v, std::span<T> w_out, std::span<T> m_out, std::span<T> v_out,
          Changes<T> changes = {});

template <class T>
struct RmsPropStep {
  T lr{};
  T alpha{};
  T one_minus_alpha{};
  T eps{};
  T momentum{};      // mu; used if there are velocities
  T weight_decay{};  // 0: the gradient is used as it is
};

// The moments of RMSProp: squares s, means m (empty: not centered) and velocities v (empty: no
// momentum).
template <class T>
struct RmsPropMoments {
  std::span<T> s, m, v;
};

// g = g + wd * w (unless wd is 0);  s_out = alpha * s + ((1 - alpha) * g) * g;
// centered: m_out = alpha * m + (1 - alpha) * g,  u = s_out - m_out * m_out, +0 if that is below 0;
// otherwise u = s_out;  d = g / (sqrt(u) + eps);  with momentum: v_out = mu * v + d, d = v_out;
// w_out = w - lr * d.
template <class T>
bool rmsprop(const RmsPropStep<T>& step, std::span<const T> g, std::span<const T> w,
             const RmsPropMoments<const T>& old, std::span<T> w_out, const RmsPropMoments<T>& out,
             Changes<T> changes = {});

// y + s * x, in two rounded operations.
template <class T>
void axpy(T s, std::span<const T> x, std::span<const T> y, std::span<T> out);

// base^exponent in f64, by repeated squaring from the lowest bit of the exponent.
double power(double base, std::uint64_t exponent);

}  // namespace palinode::kernels
