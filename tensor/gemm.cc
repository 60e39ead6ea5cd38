#include "tensor/gemm.h"

#include <fmt/format.h>

#include "tensor/kernels/blas.h"

namespace palinode {
namespace {

Gemm& active() {
  static Gemm gemm = Gemm::kCanonical;
  return gemm;
}

}  // namespace

void use_gemm(Gemm gemm) {
  if (gemm == Gemm::kOpenblas) kernels::openblas();
  active() = gemm;
}

Gemm active_gemm() { return active(); }

std::string_view gemm_name(Gemm gemm) {
  return gemm == Gemm::kCanonical ? "canonical" : "openblas";
}

std::string openblas_core() { return kernels::openblas().core; }
std::string openblas_config() { return kernels::openblas().config; }

std::string gemm_warning() {
  if (active_gemm() == Gemm::kCanonical) return "";
  return fmt::format("OpenBLAS (core {}): outside the same-bits contract", openblas_core());
}

}  // namespace palinode
