#include "tensor/kernels/broadcast.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/layer_tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/broadcast.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

struct Add {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Add(a, b);
  }
};

struct Sub {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Sub(a, b);
  }
};

struct Mul {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Mul(a, b);
  }
};

struct Div {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::Div(a, b);
  }
};

struct Minimum {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
  }
};

struct Maximum {
  template <class V>
  static HWY_INLINE V of(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
  }
};

// One row of n values; an operand of step 0 is one value for all of them.
template <class Op, class T>
void row(const T* a, std::size_t a_step, const T* b, std::size_t b_step, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  if (a_step == 1 && b_step == 1) {
    for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
      access.store(d, Op::of(access.load(d, a + i), access.load(d, b + i)), out + i);
    });
  } else if (a_step == 1) {
    const auto same = hn::Set(d, *b);
    for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
      access.store(d, Op::of(access.load(d, a + i), same), out + i);
    });
  } else if (b_step == 1) {
    const auto same = hn::Set(d, *a);
    for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
      access.store(d, Op::of(same, access.load(d, b + i)), out + i);
    });
  } else {
    const auto y = Op::of(hn::Set(d, *a), hn::Set(d, *b));
    for_each_vector(d, n,
                    [=](auto access, std::size_t i) HWY_ATTR { access.store(d, y, out + i); });
  }
}

template <class T>
BroadcastTable<T> make_table() {
  return {row<Add, T>, row<Sub, T>, row<Mul, T>, row<Div, T>, row<Minimum, T>, row<Maximum, T>};
}

BroadcastTable<float> broadcast_f32() { return make_table<float>(); }
BroadcastTable<double> broadcast_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(broadcast_f32);
HWY_EXPORT(broadcast_f64);

BroadcastTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(broadcast_f32)(); }
BroadcastTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(broadcast_f64)(); }

// Values per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = 32768;

// A row in all axes but the last, and where the operands have it.
class Rows {
 public:
  Rows(const BroadcastAxes& axes, std::size_t outer, std::size_t row) : axes_(axes), outer_(outer) {
    for (std::size_t axis = outer; axis-- > 0;) {
      index_[axis] = row % axes[axis].extent;
      row /= axes[axis].extent;
      a_ += index_[axis] * axes[axis].a;
      b_ += index_[axis] * axes[axis].b;
    }
  }

  std::size_t a() const { return a_; }
  std::size_t b() const { return b_; }

  void next() {
    for (std::size_t axis = outer_; axis-- > 0;) {
      a_ += axes_[axis].a;
      b_ += axes_[axis].b;
      if (++index_[axis] < axes_[axis].extent) return;
      a_ -= axes_[axis].a * axes_[axis].extent;
      b_ -= axes_[axis].b * axes_[axis].extent;
      index_[axis] = 0;
    }
  }

 private:
  const BroadcastAxes& axes_;
  std::size_t outer_;
  std::array<std::size_t, Shape::kMaxRank> index_{};
  std::size_t a_ = 0;
  std::size_t b_ = 0;
};

}  // namespace

template <class T>
void broadcast(Binary op, const BroadcastAxes& axes, std::span<const T> a, std::span<const T> b,
               std::span<T> out) {
  if (out.empty()) return;
  const std::size_t outer = axes.empty() ? 0 : axes.size() - 1;
  const BroadcastAxis last = axes.empty() ? BroadcastAxis{} : axes[outer];
  PALINODE_ASSERT(last.a <= 1 && last.b <= 1 && out.size() % last.extent == 0);
  const auto row = table(T{}).row[static_cast<std::size_t>(op)];
  if (outer == 0) {  // one long row
    const auto part = [&](std::size_t begin, std::size_t end) {
      row(a.data() + begin * last.a, last.a, b.data() + begin * last.b, last.b, out.data() + begin,
          end - begin);
    };
    return parallel_for(last.extent, kMinPerThread, std::ref(part));
  }
  const auto body = [&](std::size_t begin, std::size_t end) {
    Rows at(axes, outer, begin);
    for (std::size_t i = begin; i < end; ++i, at.next()) {
      row(a.data() + at.a(), last.a, b.data() + at.b(), last.b, out.data() + i * last.extent,
          last.extent);
    }
  };
  parallel_for(out.size() / last.extent, kMinPerThread / last.extent + 1, std::ref(body));
}

template void broadcast(Binary, const BroadcastAxes&, std::span<const float>,
                        std::span<const float>, std::span<float>);
template void broadcast(Binary, const BroadcastAxes&, std::span<const double>,
                        std::span<const double>, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
