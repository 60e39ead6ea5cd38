#include "experiments/precision/near.h"

#include <dlfcn.h>

#include <cmath>
#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace palinode::experiments::precision::near {
namespace {

#if defined(__x86_64__)

using Vector = __m256d (*)(__m256d);

void* vector_library() {
  static void* const library =
      __builtin_cpu_supports("avx2") != 0 ? dlopen("libmvec.so.1", RTLD_NOW | RTLD_LOCAL) : nullptr;
  return library;
}

// Of the vector ABI: four doubles, not masked.
Vector find(const char* symbol) {
  void* const library = vector_library();
  return library == nullptr ? nullptr : reinterpret_cast<Vector>(dlsym(library, symbol));
}

__attribute__((target("avx2"))) std::size_t apply(Vector f, std::span<double> y) {
  std::size_t i = 0;
  for (; i + 4 <= y.size(); i += 4) {
    _mm256_storeu_pd(&y[i], f(_mm256_loadu_pd(&y[i])));
  }
  return i;
}

#else

using Vector = void*;
void* vector_library() { return nullptr; }
Vector find(const char*) { return nullptr; }
std::size_t apply(Vector, std::span<double>) { return 0; }

#endif

void run(Vector vector, double (*scalar)(double), std::span<double> y) {
  const std::size_t done = vector == nullptr ? 0 : apply(vector, y);
  for (double& value : y.subspan(done)) value = scalar(value);
}

}  // namespace

const char* library() { return vector_library() == nullptr ? "glibc libm" : "glibc libmvec"; }

void exp(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_exp");
  run(vector, std::exp, y);
}

void exp2(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_exp2");
  run(vector, std::exp2, y);
}

void expm1(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_expm1");
  run(vector, std::expm1, y);
}

void log(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_log");
  run(vector, std::log, y);
}

void log2(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_log2");
  run(vector, std::log2, y);
}

void log10(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_log10");
  run(vector, std::log10, y);
}

void log1p(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_log1p");
  run(vector, std::log1p, y);
}

void sin(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_sin");
  run(vector, std::sin, y);
}

void cos(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_cos");
  run(vector, std::cos, y);
}

void tan(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_tan");
  run(vector, std::tan, y);
}

void asin(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_asin");
  run(vector, std::asin, y);
}

void acos(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_acos");
  run(vector, std::acos, y);
}

void atan(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_atan");
  run(vector, std::atan, y);
}

void sinh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_sinh");
  run(vector, std::sinh, y);
}

void cosh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_cosh");
  run(vector, std::cosh, y);
}

void tanh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_tanh");
  run(vector, std::tanh, y);
}

void asinh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_asinh");
  run(vector, std::asinh, y);
}

void acosh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_acosh");
  run(vector, std::acosh, y);
}

void atanh(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_atanh");
  run(vector, std::atanh, y);
}

void erf(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_erf");
  run(vector, std::erf, y);
}

void erfc(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_erfc");
  run(vector, std::erfc, y);
}

void cbrt(std::span<double> y) {
  static const Vector vector = find("_ZGVdN4v_cbrt");
  run(vector, std::cbrt, y);
}

}  // namespace palinode::experiments::precision::near
