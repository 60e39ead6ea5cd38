// The kernels of optimizer steps, filled in once for every SIMD target; private to them.
//
// Pointers are to contiguous values; n counts elements. A rule tells whether all it wrote is
// finite.
#pragma once

#include <cstddef>

#include "tensor/kernels/update.h"

namespace palinode::kernels {

// The moments of RMSProp from one place on; null for those a rule does not keep.
template <class T>
struct RmsPropPointers {
  T *s, *m, *v;
};

template <class T>
struct UpdateTable {
  void (*prepare_gradient)(T scale, T limit, const T* g, T* out, std::size_t n);
  bool (*sgd)(const SgdStep<T>& step, const T* g, const T* w, T* w_out, std::size_t n,
              ChangeLanes<T>* const* changes);
  bool (*sgd_momentum)(const SgdStep<T>& step, const T* g, const T* w, const T* v, T* w_out,
                       T* v_out, std::size_t n, ChangeLanes<T>* const* changes);
  bool (*adam)(const AdamStep<T>& step, const T* g, const T* w, const T* m, const T* v, T* w_out,
               T* m_out, T* v_out, std::size_t n, ChangeLanes<T>* const* changes);
  bool (*rmsprop)(const RmsPropStep<T>& step, const T* g, const T* w, RmsPropPointers<const T> old,
                  T* w_out, RmsPropPointers<T> out, std::size_t n, ChangeLanes<T>* const* changes);
  void (*axpy)(T s, const T* x, const T* y, T* out, std::size_t n);
};

}  // namespace palinode::kernels
