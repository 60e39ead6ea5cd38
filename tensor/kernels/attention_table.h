// The tables of functions of attention and rotary positions, filled in once for every SIMD target;
// private to the kernels, like tables.h.
#pragma once

#include <cstddef>

#include "tensor/kernels/attention.h"

namespace palinode::kernels {

// Line i starts at data[i * stride].
template <class T>
struct Lines {
  T* data;
  std::size_t stride;

  T* at(std::size_t i) const { return data + i * stride; }
  Lines moved(std::size_t columns) const { return {data + columns, stride}; }
};

// The heads of queries that share one head of keys and values: pointers to the first of them. The
// others follow in the next columns, their probabilities in the next lines.
template <class T>
struct AttentionGroup {
  Lines<const T> q, k, v;
  Lines<T> p, out;
};

template <class T>
struct AttentionGradGroup {
  Lines<const T> q, k, v, p, g;
  Lines<T> dq, dk, dv;
};

// `scratch` holds scratch_size(shape) values, 64-byte aligned.
template <class T>
struct AttentionTable {
  void (*forward)(const AttentionShape& shape, T scale, const AttentionGroup<T>& group, T* scratch);
  void (*backward)(const AttentionShape& shape, T scale, const AttentionGradGroup<T>& group,
                   T* scratch);
  std::size_t (*scratch_size)(const AttentionShape& shape);
};

// Turns n pairs (a[i], b[i]) by angles.
template <class T>
struct RopeTable {
  void (*forwards)(const T* a, const T* b, const T* cos, const T* sin, T* a_out, T* b_out,
                   std::size_t n);
  void (*backwards)(const T* a, const T* b, const T* cos, const T* sin, T* a_out, T* b_out,
                    std::size_t n);
};

}  // namespace palinode::kernels
