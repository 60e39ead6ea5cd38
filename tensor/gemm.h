// Which matrix product the tensors use: ours, or OpenBLAS's.
//
// The canonical one has the bits of docs/arithmetic.md, section 2, everywhere. OpenBLAS is there to
// be compared with, in speed and precision: its bits depend on its version, on the core type that
// it detects or is told, on the number of threads and on the batch, so whatever is computed with it
// is outside the same-bits contract. The choice is process-wide; change it only while no kernel
// runs.
#pragma once

#include <string>
#include <string_view>

namespace palinode {

enum class Gemm { kCanonical, kOpenblas };

// Makes every matrix product use this backend. OpenBLAS is loaded the first time it is asked for;
// the program neither links nor needs it otherwise. Throws EnvironmentError naming the package that
// is missing.
void use_gemm(Gemm gemm);

// The backend in use: canonical until use_gemm is called.
Gemm active_gemm();

// "canonical", "openblas".
std::string_view gemm_name(Gemm gemm);

// The kernels OpenBLAS chose for this processor ("Haswell", "SkylakeX", ...) and the words it
// describes its build with. Load it if need be, and throw as use_gemm does.
std::string openblas_core();
std::string openblas_config();

// Empty for the canonical backend. Otherwise what every result must carry: "OpenBLAS (core
// SkylakeX): outside the same-bits contract".
std::string gemm_warning();

}  // namespace palinode
