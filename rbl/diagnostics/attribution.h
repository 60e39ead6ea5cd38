// `explain`: which tensors and which inputs carry a divergence KL(f0 || f1), f0 and f1 being one
// function with two sets of values, from and to: an identity before and after it was changed, or a
// behavior that does nothing and the trained one.
//
// Three answers for each tensor or layer, because none is the right one: contributions do not add
// up where tensors act together, and what is left over is printed as `interaction`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rbl/diagnostics/scratch.h"
#include "rbl/metrics.h"

namespace palinode::rbl {

enum class Grouping : std::uint8_t {
  kTensor,
  kLayer,  // tensors that share a name up to its last point
};

// The part of one tensor or layer, nats.
struct Contribution {
  std::string name;
  std::uint64_t words = 0, words_changed = 0;
  // Leave one out: the divergence that goes when this part alone is put back, D - KL(f0 || f1 with
  // it from `from`). Negative if putting it back makes things worse.
  double put_back = 0;
  // Add one in: the divergence this part makes alone, KL(f0 || f0 with it from `to`).
  double added_in = 0;
  // First order: <dD/dw at `to`, to - from> / 2. KL is least at f0, so there it has no first order;
  // to leading order D is a quadratic form in to - from, whose slope at `to` is twice itself, and
  // these parts add up to D.
  double first_order = 0;
};

struct ProbeShare {
  std::size_t probe = 0;
  double kl = 0;     // nats
  double share = 0;  // of the sum over all probes
};

struct Attribution {
  double total = 0;                 // KL(f0 || f1), mean over the probes
  std::vector<Contribution> parts;  // by descending put_back, equal ones in the store's order
  std::vector<ProbeShare> probes;   // by descending kl, equal ones ascending

  // total - the sum of the parts: what only several parts together do.
  double put_back_interaction() const;
  double added_in_interaction() const;
  double first_order_interaction() const;
};

// Throws NameError or ShapeError unless `from` and `to` have the same names, shapes and dtypes in
// the same order. Runs the function twice for each part that changed.
Attribution attribute(const Family& family, Role role, const NamedValues& from,
                      const NamedValues& to, const Tensor& probes,
                      Grouping grouping = Grouping::kTensor);

// A table of the parts with their sum, interaction and total, and the first `probes` probes.
std::string explain(const Attribution& attribution, std::size_t probes = 8);

}  // namespace palinode::rbl
