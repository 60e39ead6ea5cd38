// Somebody's own kernel, from a shared library, with the C types below.
//
// A function of one value (exp, tanh, ...; the names of reference.h):
//   void f(const float* x, float* out, size_t n);      out[i] = f(x[i])
//   float f(float x);                                   with --scalar-kernel
// sum:            float f(const float* x, size_t n);
// dot:            float f(const float* a, const float* b, size_t n);
// matmul:         void f(const float* a, const float* b, float* c, size_t m, size_t n, size_t k);
//                 c [m, n] = a [m, k] b [k, n], row-major
// They are called from several threads at once, each on its own outputs.
#pragma once

#include <string>
#include <vector>

#include "experiments/precision/contenders.h"

namespace palinode::experiments::precision {

struct OwnKernel {
  std::string kernel;           // what it computes: "exp", "sum", ...
  std::string library, symbol;  // "./libmine.so", "my_expf"
  bool scalar = false;
  void* address = nullptr;
  std::string digest;  // SHA-256 of the library's file; empty where it was found by its name alone

  std::string name() const;  // "libmine.so:my_expf"
  Unary unary() const;
};

// From "[KERNEL=]LIBRARY:SYMBOL"; without KERNEL, the one name in `kernels` is meant. Throws
// UsageError for another form or an unknown kernel, FormatError if the library cannot be loaded or
// has no such symbol.
OwnKernel load_own_kernel(const std::string& text, const std::vector<std::string>& kernels,
                          bool scalar);

}  // namespace palinode::experiments::precision
