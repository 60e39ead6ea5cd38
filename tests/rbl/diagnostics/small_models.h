// Small functions for the tests of the diagnostics: an identity, a changed copy of it, a behavior,
// and functions with planted faults.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "rbl/diagnostics/scratch.h"
#include "rbl/metrics.h"
#include "rbl/mutate.h"

namespace palinode::rbl {

inline nn::MlpConfig small_mlp() { return {.sizes = {6, 16, 4}}; }

inline Family mlp_family() {
  return [](const Store& store) { return std::make_unique<nn::Mlp>(store, small_mlp()); };
}

inline Tensor log_p_of(const nn::Model& function, const Tensor& x) {
  return log_probabilities(nn::evaluate(function, x));
}

// A behavior: adds phi's "shift" to the output of layer.0.
class Shift : public nn::Seam {
 public:
  explicit Shift(const Store& phi) : phi_(&phi) {}
  Var at(nn::Run& run, std::string_view site, Var, Var output) const override {
    if (site != "layer.0") return output;
    const Var shift = run.parameter(*phi_, "shift");
    return add(output, shift);
  }
  Sha256Digest key() const override { return content_key(*phi_); }

 private:
  const Store* phi_;
};

class Shifted : public nn::Model {
 public:
  Shifted(const nn::Model& model, const Store& phi) : model_(&model), shift_(phi) {}
  Var forward(nn::Run& run, Var x) const override {
    nn::Run inner(run, shift_);
    return model_->forward(inner, x);
  }

 private:
  const nn::Model* model_;
  Shift shift_;
};

// Any function, for planted faults.
class Planted : public nn::Model {
 public:
  explicit Planted(std::function<Var(nn::Run&, Var)> forward) : forward_(std::move(forward)) {}
  Var forward(nn::Run& run, Var x) const override { return forward_(run, x); }

 private:
  std::function<Var(nn::Run&, Var)> forward_;
};

// A frozen identity f0, a copy f1 of it whose weights may change, and a behavior on f0.
struct SmallModels {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& changed = ledger.open("changed", Role::kIdentity);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  nn::Mlp f0{theta, small_mlp()}, f1{changed, small_mlp()};
  Shifted shifted{f0, phi};
  Tensor probes = Rng(1).stream("probes").normal({64, 6}, Dtype::kF32);

  SmallModels() {
    ledger.commit(f0.init(Rng(1).stream("init")));
    ledger.commit(copy_of(theta, changed));
    ledger.freeze(theta);
    const Tensor shift = Rng(1).stream("shift").normal({16}, Dtype::kF32);
    ledger.commit({.proposer = "test", .writes = {{&phi, "shift", shift, true}}});
  }

  void put(const Store& store, const char* name, const Tensor& value) {
    ledger.commit({.proposer = "test", .writes = {{&store, name, value}}});
  }
  Family phi_family() const {
    return [this](const Store& store) { return std::make_unique<Shifted>(f0, store); };
  }
};

}  // namespace palinode::rbl
