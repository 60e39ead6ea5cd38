// The convolution of section 2 of docs/arithmetic.md once more: direct loops, one value at a time,
// written from that page alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "tensor/kernels/conv.h"

namespace palinode::oracle {

// A chain in blocks of 256 steps, fed one step at a time.
template <class T>
class Chain {
 public:
  void step(T a, T b) {
    if (steps_ > 0 && steps_ % 256 == 0) end_block();
    acc_ = std::fma(a, b, acc_);
    ++steps_;
  }
  T value() const { return steps_ <= 256 ? acc_ : total_ + acc_; }

 private:
  void end_block() {
    total_ = steps_ == 256 ? acc_ : total_ + acc_;
    acc_ = 0;
  }

  std::size_t steps_ = 0;
  T total_ = 0;
  T acc_ = 0;
};

// Where output o puts place p of the kernel on x, if it does.
inline std::optional<std::size_t> place_on_x(const kernels::ConvAxis& axis, std::size_t o,
                                             std::size_t p) {
  const auto place =
      static_cast<long>(o * axis.stride + p * axis.dilation) - static_cast<long>(axis.padding);
  if (place < 0 || place >= static_cast<long>(axis.in)) return std::nullopt;
  return static_cast<std::size_t>(place);
}

// Outputs found by trying: as long as the kernel stays on the padded x.
inline std::size_t outputs(const kernels::ConvAxis& axis) {
  std::size_t count = 0;
  while (count * axis.stride + (axis.kernel - 1) * axis.dilation < axis.in + 2 * axis.padding) {
    ++count;
  }
  return count;
}

template <class T>
struct Conv {
  kernels::ConvShape s;
  std::span<const T> x, weight, bias, dy;
  std::size_t lines = outputs(s.h);
  std::size_t length = outputs(s.w);

  // The factor of weight (p, q, c) in output position (b, i, j).
  T factor(std::size_t b, std::size_t i, std::size_t j, std::size_t p, std::size_t q,
           std::size_t c) const {
    const auto row = place_on_x(s.h, i, p), col = place_on_x(s.w, j, q);
    return row && col ? x[((b * s.h.in + *row) * s.w.in + *col) * s.c_in + c] : T{0};
  }
  T weight_at(std::size_t p, std::size_t q, std::size_t c, std::size_t o) const {
    return weight[((p * s.w.kernel + q) * s.c_in + c) * s.c_out + o];
  }
  T dy_at(std::size_t b, std::size_t i, std::size_t j, std::size_t o) const {
    return dy[((b * lines + i) * length + j) * s.c_out + o];
  }

  // Calls body(b, i, j) for every output position, body(p, q, c) for every factor of one.
  template <class Body>
  void for_each_position(const Body& body) const {
    for (std::size_t b = 0; b < s.n; ++b) {
      for (std::size_t i = 0; i < lines; ++i) {
        for (std::size_t j = 0; j < length; ++j) body(b, i, j);
      }
    }
  }
  template <class Body>
  void for_each_factor(const Body& body) const {
    for (std::size_t p = 0; p < s.h.kernel; ++p) {
      for (std::size_t q = 0; q < s.w.kernel; ++q) {
        for (std::size_t c = 0; c < s.c_in; ++c) body(p, q, c);
      }
    }
  }

  std::vector<T> y() const {
    std::vector<T> out;
    for_each_position([&](std::size_t b, std::size_t i, std::size_t j) {
      for (std::size_t o = 0; o < s.c_out; ++o) {
        Chain<T> chain;
        for_each_factor([&](std::size_t p, std::size_t q, std::size_t c) {
          chain.step(factor(b, i, j, p, q, c), weight_at(p, q, c, o));
        });
        out.push_back(bias.empty() ? chain.value() : chain.value() + bias[o]);
      }
    });
    return out;
  }

  std::vector<T> dweight() const {
    std::vector<T> out;
    for_each_factor([&](std::size_t p, std::size_t q, std::size_t c) {
      for (std::size_t o = 0; o < s.c_out; ++o) {
        Chain<T> chain;
        for_each_position([&](std::size_t b, std::size_t i, std::size_t j) {
          chain.step(factor(b, i, j, p, q, c), dy_at(b, i, j, o));
        });
        out.push_back(chain.value());
      }
    });
    return out;
  }

  std::vector<T> dx() const {
    std::vector<T> out(s.n * s.h.in * s.w.in * s.c_in, T{0});
    for_each_factor([&](std::size_t p, std::size_t q, std::size_t c) {
      for_each_position([&](std::size_t b, std::size_t i, std::size_t j) {
        const auto row = place_on_x(s.h, i, p), col = place_on_x(s.w, j, q);
        if (!row || !col) return;
        Chain<T> chain;
        for (std::size_t o = 0; o < s.c_out; ++o) {
          chain.step(dy_at(b, i, j, o), weight_at(p, q, c, o));
        }
        T& sum = out[((b * s.h.in + *row) * s.w.in + *col) * s.c_in + c];
        sum = sum + chain.value();
      });
    });
    return out;
  }
};

}  // namespace palinode::oracle
