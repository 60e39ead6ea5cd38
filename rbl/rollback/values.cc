#include "rbl/rollback/values.h"

#include "rbl/metrics.h"
#include "tensor/finite.h"

namespace palinode::rbl {

Values values_of(const Store& store) {
  Values values;
  for (const Entry& entry : store.entries()) values.push_back(entry.value);
  return values;
}

std::uint64_t bytes_of(const Values& values) {
  std::uint64_t bytes = 0;
  for (const Tensor& value : values) bytes += value.bytes();
  return bytes;
}

bool all_finite(const Values& values) {
  for (const Tensor& value : values) {
    if (first_not_finite(value)) return false;
  }
  return true;
}

bool same_bits(const Values& a, const Values& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same_bits(a[i], b[i])) return false;
  }
  return true;
}

Proposal replace(const Store& store, const Values& values, Reason reason,
                 std::string_view proposer) {
  PALINODE_ASSERT(values.size() == store.entries().size());
  Proposal proposal{.reason = reason, .proposer = proposer};
  for (std::size_t i = 0; i < values.size(); ++i) {
    proposal.writes.push_back({&store, PoolString(store.entries()[i].name), values[i]});
  }
  return proposal;
}

Values gradients_of(const Gradients& gradients, const Store& store) {
  Values values;
  for (const Entry& entry : store.entries()) {
    values.push_back(gradients.at(store, entry.name).compact());
  }
  return values;
}

}  // namespace palinode::rbl
