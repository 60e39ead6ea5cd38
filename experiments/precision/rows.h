// The tables of softmax, layer norm, cross-entropy and attention, and of optimizer steps.
//
// The truth is the same formula in f64 with libm's functions, whose own error is some 2^-29 of what
// is measured. "forward" errors are |result - truth| / (u |truth|), with |truth| at least 2^-126;
// "scaled" ones are relative to what the formula adds up to: the row's largest |truth|, for
// attention sum p |v|, for a step the sum of its terms' absolute values.
//
// The bounds hold to first order in u = 2^-24, from the roundings of docs/arithmetic.md's formulas,
// with h the roundings of a sum by lanes, R = max |x - max x|:
//   softmax        2 R + h + 3, forward
//   cross-entropy  (R + 1 + h + |log s| + |d| + |loss|) / |loss|, forward
//   layer norm     (h + 1) mean |x| rstd / max |y| + (h + 5) / 2 + 6, scaled
//   attention      2 R + h + 3 + 2 scale (dim + 1) max_j sum |q k| + keys, scaled
// Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
// J. Numer. Anal. 41(4), 2021, derive the first two for plain sums.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace palinode::experiments::precision {

// "softmax", "layer_norm", "cross_entropy" or "attention".
nlohmann::ordered_json measure_rows(std::string_view kernel);

// "sgd" (with momentum), "adam" (with decay) or "rmsprop": one step, its weights and moments.
nlohmann::ordered_json measure_step(std::string_view kernel);

}  // namespace palinode::experiments::precision
