// Run: one forward pass. Carries what a pass needs besides the model and the input, so modules keep
// no state.
#pragma once

#include <string_view>

#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/store.h"

namespace palinode::nn {

class Run;

// Where a behavior may enter: after each named layer. nn knows only this interface; rbl implements
// it.
class Seam {
 public:
  virtual ~Seam() = default;
  // What the layer named `site` should return, given its input and the output of the plain layer.
  // Returns `output` itself for a site that is not its own.
  virtual Var at(Run& run, std::string_view site, Var input, Var output) const = 0;

 protected:
  Seam() = default;
  Seam(const Seam&) = default;
  Seam& operator=(const Seam&) = default;
  Seam(Seam&&) = default;
  Seam& operator=(Seam&&) = default;
};

class Run {
 public:
  explicit Run(Tape& tape, const Seam* seam = nullptr) : tape_(&tape), seam_(seam) {}

  Tape& tape() { return *tape_; }
  const Seam* seam() const { return seam_; }
  Var parameter(const Store& store, std::string_view name) { return tape_->parameter(store, name); }
  // With nothing attached this is `output` itself: not one operation more than the plain model.
  Var at(std::string_view site, Var input, Var output) {
    return seam_ == nullptr ? output : seam_->at(*this, site, input, output);
  }

 private:
  Tape* tape_;
  const Seam* seam_;
};

// A function of one input batch: x [rows, in] -> [rows, out].
class Model {
 public:
  virtual ~Model() = default;
  virtual Var forward(Run& run, Var x) const = 0;

 protected:
  Model() = default;
  Model(const Model&) = default;
  Model& operator=(const Model&) = default;
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;
};

// The model's outputs for a batch, with no tape kept.
Tensor evaluate(const Model& model, const Tensor& x);

}  // namespace palinode::nn
