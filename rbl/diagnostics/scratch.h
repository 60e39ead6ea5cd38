// Functions of other values: what a model would compute if its parameters were these, without
// touching the store it reads. The values go into a store of a ledger of their own, made for the
// purpose and gone with it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "nn/run.h"
#include "tensor/ledger.h"

namespace palinode::rbl {

// f(.; w) for any w: builds the function that reads its parameters w from the store given. For an
// identity it is the model itself; for a behavior the identity with the behavior over that store.
// It throws as the model does if the store lacks a parameter. What else the function reads outlives
// what is built.
using Family = std::function<std::unique_ptr<nn::Model>(const Store&)>;

// Named values. Tensors are immutable and shared, so this copies none.
using NamedValues = std::vector<Entry>;
NamedValues named_values(const Store& store);
// The same names and shapes, all +0.
NamedValues zeros_like(const NamedValues& values);

class Scratch {
 public:
  Scratch(const Family& family, Role role, const NamedValues& values, Reason reason);
  const Store& store() const { return *store_; }
  const nn::Model& function() const { return *function_; }

 private:
  Ledger ledger_{Ledger::Level::kOff};
  const Store* store_;
  std::unique_ptr<nn::Model> function_;
};

// The outputs of f(.; values) on the probes.
Tensor evaluate_at(const Family& family, Role role, const NamedValues& values, Reason reason,
                   const Tensor& probes);

}  // namespace palinode::rbl
