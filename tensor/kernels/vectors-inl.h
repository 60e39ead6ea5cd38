// Loops over whole vectors and the part that is left, for any length and alignment.

#if defined(PALINODE_TENSOR_KERNELS_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_VECTORS_INL_H_
#undef PALINODE_TENSOR_KERNELS_VECTORS_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Access to a whole vector.
struct Whole {
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* p) const {
    return hn::LoadU(d, p);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(D d, hn::Vec<D> v, T* p) const {
    hn::StoreU(v, d, p);
  }
};

// Whether the target's masked loads and stores leave the memory of masked lanes alone.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
inline constexpr bool kMasksMemory = true;
#else
inline constexpr bool kMasksMemory = false;
#endif

// Access to the first `count` lanes: the others are loaded as +0 and never stored.
struct Part {
  std::size_t count;

  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* p) const {
    if constexpr (kMasksMemory && sizeof(T) >= 4) {
      return hn::MaskedLoad(hn::FirstN(d, count), d, p);
    } else {
      HWY_ALIGN T lanes[hn::MaxLanes(D())] = {};
      std::memcpy(lanes, p, count * sizeof(T));
      return hn::Load(d, lanes);
    }
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(D d, hn::Vec<D> v, T* p) const {
    if constexpr (kMasksMemory && sizeof(T) >= 4) {
      hn::BlendedStore(v, hn::FirstN(d, count), d, p);
    } else {
      HWY_ALIGN T lanes[hn::MaxLanes(D())];
      hn::Store(v, d, lanes);
      std::memcpy(p, lanes, count * sizeof(T));
    }
  }
};

// Calls body(access, i) for i = 0, Lanes(d), ... below n; `access` loads and stores at i.
template <class D, class Body>
HWY_INLINE void for_each_vector(D d, std::size_t n, const Body& body) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) body(Whole{}, i);
  if (i < n) body(Part{n - i}, i);
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
