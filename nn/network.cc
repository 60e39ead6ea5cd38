#include "nn/network.h"

namespace palinode::nn {

void add_initial(Proposal& proposal, const Parameters& parameters, const Rng& rng, Dtype dtype) {
  for (const Parameter& each : parameters) {
    const Tensor value = initial(each.init, each.shape, dtype, rng.stream(each.name));
    proposal.writes.push_back({each.store, each.name, value, true});
  }
}

Proposal Network::init(const Rng& rng, Dtype dtype) const {
  Proposal proposal{.reason = Reason::kInit, .proposer = std::string(kind()), .seed = rng.seed()};
  add_initial(proposal, parameters(), rng, dtype);
  return proposal;
}

}  // namespace palinode::nn
