// Measuring a function by what it says instead of by what it computes: sampled outputs and sampled
// text. The randomness is a stream of Philox, so "repeated" means another stream.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nn/run.h"
#include "rbl/diagnostics/ils.h"
#include "tensor/rng.h"

namespace palinode::rbl {

// The input that the layer `site` gets when the function runs on x: a seam that looks and returns
// the output as it is. Throws NameError if no such site is passed.
Tensor site_input(const nn::Model& function, std::string_view site, const Tensor& x);

// For each distribution the frequencies of `draws` outcomes drawn from it, as logarithms; -inf for
// a class never drawn. Draw k of row i is number k of the stream `rng/i`.
//   log_p f64 [probes, classes] -> f64 [probes, classes]
Tensor sampled_outputs(const Tensor& log_p, std::size_t draws, const Rng& rng);

struct SampledRunConfig {
  std::size_t tokens = 20;         // to generate
  double temperature = 1;          // above 0
  std::string head_site = "head";  // whose input is the last hidden state
};

// What the reference code measures (ils.h), of a language model: continues each prompt by sampled
// tokens; the entropy is the mean over steps of that of the distribution sampled from, the hidden
// state the mean over all positions. Token k of prompt i is drawn with number k of the stream
// `rng/i`.
//   prompts i32 [probes, time]; the function reads i32 [1, time] and gives [time, vocab]
SampledRun sampled_run(const nn::Model& function, const Tensor& prompts,
                       const SampledRunConfig& config, const Rng& rng);

}  // namespace palinode::rbl
