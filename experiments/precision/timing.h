// Speed of contenders on the same buffers, interleaved in one process.
//
// One round gives each contender one sample, in an order that moves on from round to round, so that
// whatever the machine does meanwhile happens to all of them alike; each sample follows a run that
// is not measured. What one thread does is timed by the processor time it gets.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace palinode::experiments::precision {

struct Speed {
  double median = 0, best = 0;  // seconds of one run
};

// Samples last at least `seconds`.
std::vector<Speed> time_interleaved(std::span<const std::function<void()>> runs,
                                    std::size_t rounds = 15, double seconds = 2e-3);

// Of a list that is not empty; of two in the middle, their mean.
double median(std::vector<double> values);

// The processor time of this thread, in seconds.
double thread_seconds();

}  // namespace palinode::experiments::precision
