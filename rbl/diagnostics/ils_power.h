// What a leakage score means: its values when nothing leaked (the null), the threshold that
// follows from them, and how often leaks of a known size are then found (the power).
//
// A null needs a source of randomness, and says which. There is none in the outputs themselves:
// they are bit-reproducible, so their null is exactly 0 and so is the threshold. An auditor who
// sees sampled answers only has the sampling noise.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rbl/diagnostics/envelope.h"
#include "tensor/function_ref.h"
#include "tensor/rng.h"

namespace palinode::rbl {

struct NullDistribution {
  std::string source;          // of the randomness
  std::vector<double> scores;  // of the unchanged function, ascending
};

// `repeats` scores of the identity against itself; score(r) draws its randomness by the number r.
NullDistribution null_distribution(std::string source, std::size_t repeats,
                                   FunctionRef<double(std::uint64_t)> score);

// The smallest of the null's scores above which a new one of the same kind falls with a probability
// of at most `false_positives`: that of rank ceil((1 - false_positives)(n + 1)) of n (the quantile
// of split conformal prediction, Vovk et al. 2005). A leak is a score *above* tau. Throws
// ShapeError if n is too small for that rank to exist, or the rate is not inside (0, 1).
double calibrated_tau(const NullDistribution& null, double false_positives);

// The share of trials whose score is above tau.
Rate detection_rate(double tau, std::size_t trials, FunctionRef<double(std::uint64_t)> score);

// A point of a receiver operating characteristic: how often a leak is found by a threshold that
// the null passes so often.
struct RocPoint {
  double false_positives = 0;  // wanted; the threshold is calibrated_tau's for it
  double true_positives = 0;   // the share of the leak's scores above it
};
// One point for each rate, in their order. Throws ShapeError for no scores, and as calibrated_tau.
std::vector<RocPoint> roc(const NullDistribution& null, std::span<const double> leaked,
                          std::span<const double> false_positives);

// The area under the whole curve: the probability that a leak's score is above one of the null,
// ties counting half (Mann and Whitney 1947; Hanley and McNeil 1982). 1: every leak is above every
// null; 0.5: the score does not tell them apart. Throws ShapeError for no scores on either side.
double roc_area(const NullDistribution& null, std::span<const double> leaked);

// A leak into one probe: the log-odds of its most likely class lowered by `size` nats, the other
// rows as they were. Size 0 returns the same bits. log_p f64 [probes, classes], classes > 1.
Tensor plant_leak(const Tensor& log_p, std::size_t probe, double size);

struct PowerConfig {
  std::size_t draws = 100;        // answers sampled for each probe; 0: the outputs themselves
  std::size_t repeats = 200;      // of the null, and of each size of leak
  double false_positives = 0.05;  // wanted
};

struct LeakPower {
  double size = 0;
  double kl = 0;         // KL(f0 || leaked), mean over probes, of the outputs themselves
  Rate by_mean, by_max;  // leaks found by mean ILS and by max ILS
  std::vector<double> means = {}, maxima = {};  // the scores of each repeat
};

struct PowerCurve {
  NullDistribution null_mean, null_max;
  double tau_mean = 0, tau_max = 0;
  std::vector<LeakPower> leaks = {};  // in the order of the sizes
};

// Power of mean and max ILS, D = JS, over leaks of the given sizes. leaked(size) gives the outputs
// with the leak, f64 [probes, classes] like log_p. The streams of `rng` are null/r and
// leak/<place of the size>/r for repeat r, and of each before and after.
PowerCurve ils_power(const Tensor& log_p, std::span<const double> sizes,
                     FunctionRef<Tensor(double)> leaked, const PowerConfig& config, const Rng& rng);

}  // namespace palinode::rbl
