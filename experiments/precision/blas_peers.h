// The matrix products of others, loaded at run time: OpenBLAS once for each core type that this
// processor and the SIMD target in use have the instructions for, BLIS and oneDNN if installed.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace palinode::experiments::precision {

// c [m, n] = op(a) [m, k] op(b) [k, n], row-major; op is the transpose where asked for.
template <class T>
struct GemmCall {
  bool a_transposed, b_transposed;
  int m, n, k;
  const T* a;
  int a_line;
  const T* b;
  int b_line;
  T* c;
};

struct BlasPeer {
  std::string name;        // "OpenBLAS"
  std::string variant;     // its core type, or the library's version
  bool automatic = false;  // OpenBLAS chose the type itself
  std::function<void(const GemmCall<float>&)> sgemm = {};
  std::function<void(const GemmCall<double>&)> dgemm = {};  // may be empty
  std::function<void(const GemmCall<float>&)> sgemv = {};   // m = 1, not transposed; may be empty
  std::function<float(std::span<const float>, std::span<const float>)> sdot = {};  // may be empty
  std::function<void(int)> set_threads = {};
};

// Loaded at the first call, each library once, so the SIMD target is to be chosen before it.
// OpenBLAS reads its core type when it is loaded: each type is a copy of the library's file.
const std::vector<BlasPeer>& blas_peers();

}  // namespace palinode::experiments::precision
