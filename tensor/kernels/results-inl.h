// Where the rules of optimizers put their results: into memory, and past what looks at them while
// they are in registers.

#if defined(PALINODE_TENSOR_KERNELS_RESULTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_RESULTS_INL_H_
#undef PALINODE_TENSOR_KERNELS_RESULTS_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_RESULTS_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>

#include "tensor/kernels/change.h"
#include "tensor/kernels/comparison-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Floats = hn::Vec<hn::ScalableTag<T>>;

// Lanes that are not stored hold what a rule makes of zeros; here they hold zeros again.
template <class V>
HWY_INLINE V stored_lanes(Whole, V x) {
  return x;
}
template <class V>
HWY_INLINE V stored_lanes(Part part, V x) {
  return hn::IfThenElseZero(hn::FirstN(hn::DFromV<V>(), part.count), x);
}

// What a rule writes goes through one of these: values of `output` (0 is the weight) with the ones
// before. Both know in the end whether all were finite: as bits, the sizes of values that are not
// lie at or above that of an infinity.
template <class T>
class Finite {
 public:
  HWY_INLINE Finite() : largest_(hn::Zero(DBits())) {}

  template <class Access>
  HWY_INLINE void write(Access access, std::size_t, Floats<T>, Floats<T> after, T* out) {
    access.store(D(), after, out);
    const auto size = hn::BitCast(DBits(), hn::Abs(stored_lanes(access, after)));
    largest_ = hn::Max(largest_, size);
  }
  HWY_INLINE bool all() const {
    const auto infinity = hn::BitCast(DBits(), hn::Inf(D()));
    return hn::AllTrue(DBits(), hn::Lt(largest_, infinity));
  }

 private:
  using D = hn::ScalableTag<T>;
  using DBits = hn::RebindToUnsigned<D>;
  hn::Vec<DBits> largest_;
};

// The same with the statistics of the change. `v` is the vector's place in a group of 64 elements.
template <class T>
struct Compared {
  template <class Access>
  HWY_INLINE void write(Access access, std::size_t output, Floats<T> before, Floats<T> after,
                        T* out) const {
    access.store(hn::ScalableTag<T>(), after, out);
    sums[output].add(before, stored_lanes(access, after), v);
  }
  Comparison<T>* sums;
  std::size_t v;
};

template <class T>
struct ComparedRest {
  template <class Access>
  HWY_INLINE void write(Access access, std::size_t output, Floats<T> before, Floats<T> after,
                        T* out) const {
    access.store(hn::ScalableTag<T>(), after, out);
    sums[output].add_rest(before, stored_lanes(access, after), lane, *changes[output]);
  }
  Comparison<T>* sums;
  ChangeLanes<T>* const* changes;
  std::size_t lane;
};

// Calls body(access, i, writer) over n elements; at most 4096 of them if changes are wanted of the
// kOutputs arrays `out`.
template <std::size_t kOutputs, class T, class Body>
HWY_INLINE bool run(std::size_t n, ChangeLanes<T>* const* changes,
                    const std::array<T*, kOutputs>& out, const Body& body) {
  const hn::ScalableTag<T> d;
  if (changes == nullptr) {
    Finite<T> finite;
    for_each_vector(d, n, [&](auto access, std::size_t i) HWY_ATTR { body(access, i, finite); });
    return finite.all();
  }
  constexpr std::size_t kVectors = Comparison<T>::kVectors, kLanes = Comparison<T>::kLanes;
  Comparison<T> sums[kOutputs];
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kOutputs; ++k) sums[k].start(*changes[k]);
  std::size_t i = 0;
  for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < kVectors; ++v) {
      body(Whole{}, i + v * kLanes, Compared<T>{sums, v});
    }
  }
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kOutputs; ++k) sums[k].store(*changes[k]);
  for_each_vector(d, n - i, [&](auto access, std::size_t lane) HWY_ATTR {
    body(access, i + lane, ComparedRest<T>{sums, changes, lane});
  });
  bool finite = true;
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kOutputs; ++k) {
    sums[k].finish(out[k], n, *changes[k]);
    finite = finite && changes[k]->finite;
  }
  return finite;
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
