// ILS, the Identity Leakage Score: how much of an adaptation is left in the function after its
// rollback, probe by probe.
//
// Two quantities go by this name. The paper (arXiv:2603.02934) defines ILS(p) = D(f0(p), f_rec(p)),
// with D a divergence of the full output distributions: `ils`. The authors' code computes
// 0.5 KL + 0.3 |entropy difference| + 0.2 (1 - cosine of mean hidden states), entropies and states
// being those of *sampled* text: `ils_reference_code`, kept to compare with. Compared with itself
// an unchanged model scores 0 by the first and about 0.02 by the second.
#pragma once

#include <cstddef>
#include <vector>

#include "rbl/metrics.h"

namespace palinode::rbl {

struct Ils {
  std::vector<double> per_probe;
  double mean = 0, max = 0;
  std::size_t worst = 0;  // the first probe with the largest score
  double tau = 0;
  std::vector<std::size_t> flagged = {};  // probes with a score above tau, ascending
};

// D is the divergence given: KL(f0 || f_rec) or JS(f0, f_rec). With the outputs themselves compared
// the score of an unchanged function is exactly 0, and tau = 0 flags any change there is.
Ils ils(const Divergence& divergence, double tau);

// What the reference code measures of one function: the mean entropy of the distributions it
// sampled from, nats, for each probe; and its mean last hidden state, [probes, width].
struct SampledRun {
  std::vector<double> entropy;
  Tensor hidden;
};

// The score of the reference code, whose threshold is 0.05. Its KL term is `kl`, which the code
// itself sets to 0. Throws ShapeError for different numbers of probes, NonFiniteError for a hidden
// state of norm 0, which has no direction.
Ils ils_reference_code(const Divergence& kl, const SampledRun& before, const SampledRun& after,
                       double tau = 0.05);

}  // namespace palinode::rbl
