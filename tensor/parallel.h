// One fixed pool of threads, with static splits.
//
// Work is split over outputs and never inside a sum, so the number of threads cannot change a bit.
// The pool is process-wide mutable state, like the memory pool and the SIMD choice (simd.h); none
// of them can be observed in a result. (The choice of another matrix product, gemm.h, can, and says
// so.) Workers keep subnormals and round to nearest whatever their creator did; a caller that does
// not is refused where its results would be kept, by Ledger::commit.
#pragma once

#include <cstddef>

#include "tensor/function_ref.h"

namespace palinode {

// Sets the number of threads, the caller included (>= 1; throws EnvironmentError if 0 or above
// 1024). Not to be called while parallel work runs.
void set_threads(std::size_t count);

// The number of threads in use; the number of cores until set_threads is called.
std::size_t threads();

// Calls body(begin, end) on disjoint ranges that cover [0, count): at most threads() ranges, none
// shorter than min_per_range unless there is one only. Returns when all are done. Small work, and
// any call made from inside a body, runs on the caller. The first exception by range order is
// rethrown.
void parallel_for(std::size_t count, std::size_t min_per_range,
                  FunctionRef<void(std::size_t, std::size_t)> body);

// Calls job(i) for every i in [0, count) with threads taking the next index as they become free:
// for long independent jobs (a seed of a study) whose results are stored by index.
void parallel_jobs(std::size_t count, FunctionRef<void(std::size_t)> job);

}  // namespace palinode
