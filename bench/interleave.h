// Timing contenders against each other.
//
// One round gives each contender one sample, in an order that moves on from round to round, so that
// whatever the machine does meanwhile happens to all of them alike. A ratio is the median of the
// ratios within a round.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bench/case.h"
#include "experiments/precision/timing.h"

namespace palinode::bench {

struct Method {
  std::size_t rounds = 15;
  double seconds = 5e-3;  // least length of a sample
};

// Work per second, [contender][round]. Each sample follows a run that is not measured. With more
// than one thread each sample follows a pause as well, in which the threads of the last contender
// fall asleep.
std::vector<std::vector<double>> interleave(std::span<const Contender> contenders, double work,
                                            std::size_t threads, const Method& method);

using experiments::precision::median;

// The median of a[round] / b[round].
double ratio(std::span<const double> a, std::span<const double> b);

}  // namespace palinode::bench
