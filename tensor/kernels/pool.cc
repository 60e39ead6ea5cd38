#include "tensor/kernels/pool.h"

#include <algorithm>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/layer_tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// One image. body(access, lane) is called for each vector of channels.
template <class T, class Body>
HWY_INLINE void for_each_channel(const PoolShape& s, const Body& body) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, s.c, body);
}

// Calls body(i, j, output): the place of each output and of its first channel.
template <class Body>
HWY_INLINE void for_each_output(const PoolShape& s, const Body& body) {
  const std::size_t lines = s.h.out(), columns = s.w.out();
  for (std::size_t i = 0; i < lines; ++i) {
    for (std::size_t j = 0; j < columns; ++j) body(i, j, (i * columns + j) * s.c);
  }
}

// Calls body(number, place) for each place of the window of output (i, j) that lies on x, in
// row-major order: its number in the window and its first channel in the image.
template <class Body>
HWY_INLINE void for_each_place(const PoolShape& s, std::size_t i, std::size_t j, const Body& body) {
  const ConvRange down = s.h.on_x(i), across = s.w.on_x(j);
  for (std::size_t p = down.begin; p < down.end; ++p) {
    const std::size_t line = s.h.place(i, p) - s.h.padding;
    for (std::size_t q = across.begin; q < across.end; ++q) {
      const std::size_t column = s.w.place(j, q) - s.w.padding;
      body(p * s.w.kernel + q, (line * s.w.in + column) * s.c);
    }
  }
}

template <class T>
void max(const PoolShape& s, const T* x, T* y, T* place) {
  const hn::ScalableTag<T> d;
  for_each_output(s, [&](std::size_t i, std::size_t j, std::size_t at) HWY_ATTR {
    for_each_channel<T>(s, [&](auto access, std::size_t c) HWY_ATTR {
      auto largest = hn::Zero(d), where = hn::Set(d, T{-1});
      for_each_place(s, i, j, [&](std::size_t number, std::size_t from) HWY_ATTR {
        const auto value = access.load(d, x + from + c);
        const auto none = hn::Lt(where, hn::Zero(d));
        const auto larger = hn::Or(hn::Gt(value, largest), hn::IsNaN(value));
        const auto taken = hn::Or(none, hn::AndNot(hn::IsNaN(largest), larger));
        largest = hn::IfThenElse(taken, value, largest);
        where = hn::IfThenElse(taken, hn::Set(d, static_cast<T>(number)), where);
      });
      access.store(d, largest, y + at + c);
      access.store(d, where, place + at + c);
    });
  });
}

template <class T>
void max_grad(const PoolShape& s, const T* dy, const T* place, T* dx) {
  const hn::ScalableTag<T> d;
  for_each_output(s, [&](std::size_t i, std::size_t j, std::size_t at) HWY_ATTR {
    for_each_channel<T>(s, [&](auto access, std::size_t c) HWY_ATTR {
      const auto g = access.load(d, dy + at + c), where = access.load(d, place + at + c);
      for_each_place(s, i, j, [&](std::size_t number, std::size_t to) HWY_ATTR {
        const auto hit = hn::Eq(where, hn::Set(d, static_cast<T>(number)));
        const auto old = access.load(d, dx + to + c);
        access.store(d, hn::IfThenElse(hit, hn::Add(old, g), old), dx + to + c);
      });
    });
  });
}

template <class T>
void avg(const PoolShape& s, const T* x, T* y, T*) {
  const hn::ScalableTag<T> d;
  const auto count = hn::Set(d, static_cast<T>(s.h.kernel * s.w.kernel));
  for_each_output(s, [&](std::size_t i, std::size_t j, std::size_t at) HWY_ATTR {
    for_each_channel<T>(s, [&](auto access, std::size_t c) HWY_ATTR {
      auto sum = hn::Zero(d);
      for_each_place(s, i, j, [&](std::size_t, std::size_t from) HWY_ATTR {
        sum = hn::Add(sum, access.load(d, x + from + c));
      });
      access.store(d, hn::Div(sum, count), y + at + c);
    });
  });
}

template <class T>
void avg_grad(const PoolShape& s, const T* dy, const T*, T* dx) {
  const hn::ScalableTag<T> d;
  const auto count = hn::Set(d, static_cast<T>(s.h.kernel * s.w.kernel));
  for_each_output(s, [&](std::size_t i, std::size_t j, std::size_t at) HWY_ATTR {
    for_each_channel<T>(s, [&](auto access, std::size_t c) HWY_ATTR {
      const auto g = hn::Div(access.load(d, dy + at + c), count);
      for_each_place(s, i, j, [&](std::size_t, std::size_t to) HWY_ATTR {
        access.store(d, hn::Add(access.load(d, dx + to + c), g), dx + to + c);
      });
    });
  });
}

template <class T>
PoolTable<T> make_table() {
  return {max<T>, max_grad<T>, avg<T>, avg_grad<T>};
}

PoolTable<float> pool_f32() { return make_table<float>(); }
PoolTable<double> pool_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(pool_f32);
HWY_EXPORT(pool_f64);

PoolTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(pool_f32)(); }
PoolTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(pool_f64)(); }

// Calls body(b, first value of image b in x, first output of image b) with threads.
template <class Body>
void for_each_image(const PoolShape& s, const Body& body) {
  const std::size_t in = s.h.in * s.w.in * s.c, out = s.h.out() * s.w.out() * s.c;
  const auto images = [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) body(b * in, b * out);
  };
  parallel_for(s.n, 32768 / (in + 1) + 1, std::ref(images));
}

template <class T>
void check(const PoolShape& s, std::span<const T> x, std::span<const T> y) {
  PALINODE_ASSERT(s.h.padding < s.h.kernel && s.w.padding < s.w.kernel);
  PALINODE_ASSERT(x.size() == s.n * s.h.in * s.w.in * s.c && y.size() == s.outputs());
}

}  // namespace

template <class T>
void max_pool(const PoolShape& shape, std::span<const T> x, std::span<T> y, std::span<T> place) {
  check<T>(shape, x, y);
  PALINODE_ASSERT(place.size() == y.size());
  const auto function = table(T{}).max;
  for_each_image(shape, [&](std::size_t in, std::size_t out) {
    function(shape, x.data() + in, y.data() + out, place.data() + out);
  });
}

template <class T>
void max_pool_grad(const PoolShape& shape, std::span<const T> dy, std::span<const T> place,
                   std::span<T> dx) {
  check<T>(shape, dx, dy);
  PALINODE_ASSERT(place.size() == dy.size());
  const auto function = table(T{}).max_grad;
  std::ranges::fill(dx, T{0});
  for_each_image(shape, [&](std::size_t in, std::size_t out) {
    function(shape, dy.data() + out, place.data() + out, dx.data() + in);
  });
}

template <class T>
void avg_pool(const PoolShape& shape, std::span<const T> x, std::span<T> y) {
  check<T>(shape, x, y);
  const auto function = table(T{}).avg;
  for_each_image(shape, [&](std::size_t in, std::size_t out) {
    function(shape, x.data() + in, y.data() + out, nullptr);
  });
}

template <class T>
void avg_pool_grad(const PoolShape& shape, std::span<const T> dy, std::span<T> dx) {
  check<T>(shape, dx, dy);
  const auto function = table(T{}).avg_grad;
  std::ranges::fill(dx, T{0});
  for_each_image(shape, [&](std::size_t in, std::size_t out) {
    function(shape, dy.data() + out, nullptr, dx.data() + in);
  });
}

#define PALINODE_POOL(T)                                                                    \
  template void max_pool(const PoolShape&, std::span<const T>, std::span<T>, std::span<T>); \
  template void max_pool_grad(const PoolShape&, std::span<const T>, std::span<const T>,     \
                              std::span<T>);                                                \
  template void avg_pool(const PoolShape&, std::span<const T>, std::span<T>);               \
  template void avg_pool_grad(const PoolShape&, std::span<const T>, std::span<T>)
PALINODE_POOL(float);
PALINODE_POOL(double);
#undef PALINODE_POOL

}  // namespace palinode::kernels
#endif  // HWY_ONCE
