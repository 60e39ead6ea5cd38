#include "rbl/diagnostics/scratch.h"

namespace palinode::rbl {

NamedValues named_values(const Store& store) {
  return {store.entries().begin(), store.entries().end()};
}

NamedValues zeros_like(const NamedValues& values) {
  NamedValues result = values;
  for (Entry& entry : result) {
    entry.value = Tensor::zeros(entry.value.shape(), entry.value.dtype());
  }
  return result;
}

Scratch::Scratch(const Family& family, Role role, const NamedValues& values, Reason reason)
    : store_(&ledger_.open("scratch", role)) {
  Proposal proposal{.reason = reason, .proposer = "scratch"};
  for (const Entry& entry : values) {
    proposal.writes.push_back({store_, entry.name, entry.value, true});
  }
  ledger_.commit(proposal);
  function_ = family(*store_);
}

Tensor evaluate_at(const Family& family, Role role, const NamedValues& values, Reason reason,
                   const Tensor& probes) {
  const Scratch scratch(family, role, values, reason);
  return nn::evaluate(scratch.function(), probes).compact();
}

}  // namespace palinode::rbl
