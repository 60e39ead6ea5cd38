#include "tensor/kernels/conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"
#include "tensor/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/conv.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
HWY_INLINE void copy(const T* from, std::size_t n, T* to) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, access.load(d, from + i), to + i);
  });
}

template <class T>
HWY_INLINE void clear(T* to, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(
      d, n, [=](auto access, std::size_t i) HWY_ATTR { access.store(d, hn::Zero(d), to + i); });
}

template <class T>
HWY_INLINE void add_to(T* sum, const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  if (n < hn::Lanes(d)) {
    // The next sum would wait for a masked store.
    for (std::size_t i = 0; i < n; ++i) sum[i] += x[i];
    return;
  }
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, hn::Add(access.load(d, sum + i), access.load(d, x + i)), sum + i);
  });
}

// The factors that one row of the kernel meets in `line`, a row of x, for one output.
template <class T>
HWY_INLINE void gather_kernel_row(const ConvShape& s, const T* line, std::size_t output,
                                  ConvRange on_x, T* to) {
  const std::size_t c = s.c_in;
  clear(to, on_x.begin * c);
  const auto from = [&](std::size_t q) { return line + (s.w.place(output, q) - s.w.padding) * c; };
  if (s.w.dilation == 1 && on_x.begin < on_x.end) {
    copy(from(on_x.begin), (on_x.end - on_x.begin) * c, to + on_x.begin * c);
  } else {
    for (std::size_t q = on_x.begin; q < on_x.end; ++q) copy(from(q), c, to + q * c);
  }
  clear(to + on_x.end * c, (s.w.kernel - on_x.end) * c);
}

// The factors of the outputs [begin, end) of line i of the outputs of one image.
template <class T>
HWY_INLINE void gather_line(const ConvShape& s, const T* image, std::size_t i, std::size_t begin,
                            std::size_t end, T* to) {
  const std::size_t width = s.w.kernel * s.c_in;
  const ConvRange rows_on_x = s.h.on_x(i);
  for (std::size_t j = begin; j < end; ++j) {
    const ConvRange on_x = s.w.on_x(j);
    for (std::size_t p = 0; p < s.h.kernel; ++p, to += width) {
      if (p < rows_on_x.begin || p >= rows_on_x.end) {
        clear(to, width);
      } else {
        const std::size_t row = s.h.place(i, p) - s.h.padding;
        gather_kernel_row(s, image + row * s.w.in * s.c_in, j, on_x, to);
      }
    }
  }
}

template <class T>
void gather(const ConvShape& s, const T* x, std::size_t begin, std::size_t end, T* columns) {
  const std::size_t lines = s.h.out(), length = s.w.out();
  while (begin < end) {
    const std::size_t line = begin / length, j = begin % length;
    const std::size_t count = std::min(length - j, end - begin);
    const T* image = x + line / lines * s.h.in * s.w.in * s.c_in;
    gather_line(s, image, line % lines, j, j + count, columns);
    columns += count * s.depth();
    begin += count;
  }
}

template <class T>
void scatter(const ConvShape& s, const T* columns, std::size_t p, ConvRange lines, T* dx) {
  const std::size_t c = s.c_in, length = s.w.out();
  for (std::size_t i = lines.begin; i < lines.end; ++i) {
    T* line = dx + (s.h.place(i, p) - s.h.padding) * s.w.in * c;
    for (std::size_t q = 0; q < s.w.kernel; ++q) {
      const ConvRange outputs = s.w.outputs_on(q, 0, s.w.in);
      for (std::size_t j = outputs.begin; j < outputs.end; ++j) {
        add_to(line + (s.w.place(j, q) - s.w.padding) * c, columns + (j * s.w.kernel + q) * c, c);
      }
    }
    columns += length * s.w.kernel * c;
  }
}

template <class T>
ConvTable<T> make_table() {
  return {.gather = gather<T>, .scatter = scatter<T>};
}

ConvTable<float> conv_f32() { return make_table<float>(); }
ConvTable<double> conv_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(conv_f32);
HWY_EXPORT(conv_f64);

ConvTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(conv_f32)(); }
ConvTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(conv_f64)(); }

// Values that a thread holds at once: they stay in its second-level cache.
constexpr std::size_t kValuesAtOnce = std::size_t{1} << 17;
// Values of the weight gradient's factors held for all threads.
constexpr std::size_t kFactorsAtOnce = std::size_t{1} << 18;
// Multiplications, and copied values, per thread that are worth waking it for.
constexpr std::size_t kMinProducts = std::size_t{1} << 18;
constexpr std::size_t kMinCopies = std::size_t{1} << 15;
constexpr std::size_t kBlock = 256;  // rows in a chain; part of the specification

// numerator / denominator, at least 1 and at most `most` unless that is 0.
constexpr std::size_t share(std::size_t numerator, std::size_t denominator, std::size_t most) {
  return std::clamp<std::size_t>(numerator / std::max<std::size_t>(denominator, 1), 1,
                                 std::max<std::size_t>(most, 1));
}

// The numbers s below `count` with from <= start + s * step < to.
ConvRange steps_within(std::size_t count, std::size_t start, std::size_t step, std::size_t from,
                       std::size_t to) {
  const auto first_from = [&](std::size_t limit) {
    if (limit <= start || count == 0) return std::size_t{0};
    if (start + (count - 1) * step < limit) return count;
    return (limit - start + step - 1) / step;
  };
  return {first_from(from), first_from(to)};
}

// Whether every position has its own values of x, and all of them, for factors: x is their matrix.
bool is_plain_product(const ConvShape& s) {
  const auto plain = [](const ConvAxis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.padding == 0;
  };
  return plain(s.h) && plain(s.w);
}

template <class T>
MatrixView<T> row_major(std::span<const T> data, std::size_t rows, std::size_t cols) {
  return {data, rows, cols, cols, 1};
}

template <class T>
MatrixView<T> transposed(const MatrixView<T>& a) {
  return {a.data, a.cols, a.rows, a.col_stride, a.row_stride};
}

template <class T>
void require_sizes(const ConvShape& s, std::span<const T> x, std::span<const T> weight,
                   std::span<const T> y) {
  PALINODE_ASSERT(x.size() == s.n * s.h.in * s.w.in * s.c_in);
  PALINODE_ASSERT(weight.size() == s.depth() * s.c_out && y.size() == s.rows() * s.c_out);
}

// dweight, from the factors of some positions and dy there: whole blocks of rows, or the last ones.
// Without `first` it is added to, block by block.
template <class T>
void add_blocks(const MatrixView<T>& columns, const MatrixView<T>& dy, bool first,
                std::span<T> dweight) {
  const std::size_t c_out = dy.cols;
  const std::size_t slice = share(kValuesAtOnce, c_out, columns.cols);
  const auto body = [&](std::size_t begin, std::size_t end) {
    const auto products = pool_array<T>(slice * c_out);
    for (; begin < end; begin += slice) {
      const std::size_t count = std::min(slice, end - begin);
      const std::span<T> out = dweight.subspan(begin * c_out, count * c_out);
      for (std::size_t row = 0; row < dy.rows; row += kBlock) {
        const std::size_t rows = std::min(kBlock, dy.rows - row);
        const MatrixView<T> a = {columns.data.subspan(row * columns.cols + begin), count, rows, 1,
                                 columns.cols};
        const MatrixView<T> b = row_major(dy.data.subspan(row * c_out, rows * c_out), rows, c_out);
        if (first && row == 0) {
          matmul(a, b, {}, out);
        } else {
          const std::span<T> block(products.get(), out.size());
          matmul(a, b, {}, block);
          add<T>(out, block, out);
        }
      }
    }
  };
  parallel_for(columns.cols, kMinProducts / std::max<std::size_t>(dy.rows * c_out, 1) + 1,
               std::ref(body));
}

}  // namespace

std::size_t ConvAxis::out() const {
  constexpr std::size_t kLimit = std::size_t{1} << 31;
  if (std::min({kernel, stride, dilation}) == 0 ||
      std::max({in, kernel, stride, padding, dilation}) >= kLimit) {
    throw ShapeError(fmt::format(
        "conv2d: kernel, stride and dilation must not be 0, and nothing 2^31 or more: extent {}, "
        "kernel {}, stride {}, padding {}, dilation {}",
        in, kernel, stride, padding, dilation));
  }
  const std::size_t reach = dilation * (kernel - 1) + 1;
  if (reach > in + 2 * padding) {
    throw ShapeError(
        fmt::format("conv2d: kernel {} with dilation {} reaches over {} places, but x has {} and "
                    "padding {} on both sides",
                    kernel, dilation, reach, in, padding));
  }
  return (in + 2 * padding - reach) / stride + 1;
}

ConvRange ConvAxis::on_x(std::size_t o) const {
  return steps_within(kernel, o * stride, dilation, padding, padding + in);
}

ConvRange ConvAxis::outputs_on(std::size_t p, std::size_t from, std::size_t to) const {
  return steps_within(out(), p * dilation, stride, padding + from, padding + to);
}

template <class T>
void conv2d(const ConvShape& s, std::span<const T> x, std::span<const T> weight,
            std::span<const T> bias, std::span<T> y, Activation activation) {
  require_sizes<T>(s, x, weight, y);
  const std::size_t rows = s.rows(), depth = s.depth();
  const MatrixView<T> b = row_major(weight, depth, s.c_out);
  if (is_plain_product(s)) return matmul(row_major(x, rows, depth), b, bias, y, activation);
  const std::size_t at_once = share(kValuesAtOnce, depth, rows);
  const auto gather = table(T{}).gather;
  const auto body = [&](std::size_t begin, std::size_t end) {
    const auto columns = pool_array<T>(at_once * depth);
    for (; begin < end; begin += at_once) {
      const std::size_t count = std::min(at_once, end - begin);
      gather(s, x.data(), begin, begin + count, columns.get());
      matmul(row_major<T>({columns.get(), count * depth}, count, depth), b, bias,
             y.subspan(begin * s.c_out, count * s.c_out), activation);
    }
  };
  parallel_for(rows, at_once, std::ref(body));
}

template <class T>
void conv2d_weight_grad(const ConvShape& s, std::span<const T> x, std::span<const T> dy,
                        std::span<T> dweight) {
  require_sizes<T>(s, x, dweight, dy);
  const std::size_t rows = s.rows(), depth = s.depth();
  const MatrixView<T> g = row_major(dy, rows, s.c_out);
  if (is_plain_product(s) || rows == 0) {
    return matmul(transposed(row_major(x, rows, depth)), g, {}, dweight);
  }
  const std::size_t at_once = std::min(rows, kBlock * share(kFactorsAtOnce, kBlock * depth, rows));
  const auto columns = pool_array<T>(at_once * depth);
  const auto gather = table(T{}).gather;
  for (std::size_t row = 0; row < rows; row += at_once) {
    const std::size_t count = std::min(at_once, rows - row);
    const auto body = [&](std::size_t begin, std::size_t end) {
      gather(s, x.data(), row + begin, row + end, columns.get() + begin * depth);
    };
    parallel_for(count, kMinCopies / std::max<std::size_t>(depth, 1) + 1, std::ref(body));
    add_blocks(row_major<T>({columns.get(), count * depth}, count, depth),
               row_major(dy.subspan(row * s.c_out, count * s.c_out), count, s.c_out), row == 0,
               dweight);
  }
}

template <class T>
void conv2d_input_grad(const ConvShape& s, std::span<const T> dy, std::span<const T> weight,
                       std::span<T> dx) {
  require_sizes<T>(s, dx, weight, dy);
  const std::size_t width = s.w.kernel * s.c_in;  // products of one output with a row of the kernel
  if (is_plain_product(s)) {
    const PoolVector<T> zeros(s.c_in);  // the sum over places starts from +0 here too
    return matmul<T>(row_major(dy, s.rows(), s.c_out),
                     transposed(row_major(weight, s.c_in, s.c_out)), zeros, dx);
  }
  std::ranges::fill(dx, T{0});
  const std::size_t lines = s.h.out(), length = s.w.out();
  const std::size_t at_once = share(kValuesAtOnce, length * width, s.h.in);
  const auto scatter = table(T{}).scatter;
  // The rows [from, to) of an image of dx.
  const auto rows_of_image = [&](std::size_t image, std::size_t from, std::size_t to, T* columns) {
    for (std::size_t p = 0; p < s.h.kernel; ++p) {
      const ConvRange on_rows = s.h.outputs_on(p, from, to);
      const std::size_t rows = (on_rows.end - on_rows.begin) * length;
      const std::size_t first = (image * lines + on_rows.begin) * length;
      const std::span<T> products(columns, rows * width);
      matmul(row_major(dy.subspan(first * s.c_out, rows * s.c_out), rows, s.c_out),
             transposed(
                 row_major(weight.subspan(p * width * s.c_out, width * s.c_out), width, s.c_out)),
             {}, products);
      scatter(s, columns, p, on_rows, dx.data() + image * s.h.in * s.w.in * s.c_in);
    }
  };
  const auto body = [&](std::size_t begin, std::size_t end) {
    const auto columns = pool_array<T>(at_once * length * width);
    while (begin < end) {
      const std::size_t from = begin % s.h.in;
      const std::size_t count = std::min({at_once, end - begin, s.h.in - from});
      rows_of_image(begin / s.h.in, from, from + count, columns.get());
      begin += count;
    }
  };
  const std::size_t work = s.h.kernel * length * width * s.c_out;  // of a row, at a stride of 1
  parallel_for(s.n * s.h.in, kMinProducts / std::max<std::size_t>(work, 1) + 1, std::ref(body));
}

#define PALINODE_CONV(T)                                                                     \
  template void conv2d(const ConvShape&, std::span<const T>, std::span<const T>,             \
                       std::span<const T>, std::span<T>, Activation);                        \
  template void conv2d_weight_grad(const ConvShape&, std::span<const T>, std::span<const T>, \
                                   std::span<T>);                                            \
  template void conv2d_input_grad(const ConvShape&, std::span<const T>, std::span<const T>,  \
                                  std::span<T>)
PALINODE_CONV(float);
PALINODE_CONV(double);
#undef PALINODE_CONV

}  // namespace palinode::kernels
#endif  // HWY_ONCE
