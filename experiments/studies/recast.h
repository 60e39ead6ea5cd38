// The identity with other weights, or in another type: what a study compares with when it asks what
// a type or a storage changes.
#pragma once

#include <functional>
#include <memory>

#include "experiments/subjects/identity.h"

namespace palinode::experiments {

// Of the type every value of theta has after `weights`; inputs that are f32 are widened or narrowed
// to it. Tasks, streams, recipes, budgets are those of `identity`, which has to outlive it; so are
// its names. It has no pretraining. It is measured and frozen like any other.
std::unique_ptr<Identity> recast(const Identity& identity,
                                 const std::function<Tensor(const Tensor&)>& weights);

// A copy of theta, or of values with theta's names, in a ledger of its own.
class Fork {
 public:
  explicit Fork(const Identity& identity);
  Fork(const Identity& identity, const std::vector<Entry>& values);

  Ledger& ledger() { return ledger_; }
  const Store& theta() const { return *theta_; }
  const nn::Network& model() const { return *model_; }
  // A store with these values.
  const Store& add(std::string name, Role role, const std::vector<Entry>& values);
  std::vector<Entry> values() const;
  void put(const std::vector<Entry>& values, Reason reason);

 private:
  Ledger ledger_;
  const Store* theta_;
  std::unique_ptr<nn::Network> model_;
};

// What a point holds of a typed figure: NaN for one that is no value.
double value_of(const rbl::Recoverability& rf);

}  // namespace palinode::experiments
