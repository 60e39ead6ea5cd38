// Measuring a case in a process of its own, where libtorch is at its best.
//
// What libtorch needs for that is read when a process starts: malloc is kept from returning pages
// (or half of its time goes into getting them again), and OpenBLAS runs on OpenMP's threads, of
// which libtorch has some already. Both contenders live in that process and are interleaved there.
#pragma once

#include <string>

#include "bench/case.h"
#include "bench/interleave.h"
#include "bench/table.h"

namespace palinode::bench {

// Checks and times the case here. Its text form is JSON.
Measured measure(const Case& one, const Method& method);
std::string to_text(const Measured& measured);

// The same, by this program started as `PROGRAM --measure WHAT flags`, which prints that text.
// Throws EnvironmentError if it ends in any other way.
Measured measure_apart(const Case& one, const std::string& flags);

// Debian's OpenBLAS for OpenMP, if it is installed; otherwise empty.
std::string openmp_blas_folder();

}  // namespace palinode::bench
