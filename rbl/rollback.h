// Rollback arms R0 to R18 behind one interface: what an arm keeps, and what it does to bring the
// identity back.
//
//   arm->before(theta);              // theta as it was: what may the arm keep of it?
//   ... adaptation ...
//   arm->after(theta');              // and of what it became?
//   arm->undo(subject);              // every write through the subject's ledger
//
// An arm is honest about its price: bytes_kept is the side information it would have to store.
// The arm ids are those of the project's list R0 to R18; each file in rollback/ defines one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "rbl/attach.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::rbl {

// An adapted function: theta's values in a store, and perhaps a behavior on top.
class Subject {
 public:
  // `model` reads `theta`; both and the ledger outlive the subject.
  Subject(Ledger& ledger, const Store& theta, const nn::Model& model,
          std::shared_ptr<const nn::Seam> behavior = nullptr);

  Ledger& ledger() const { return *ledger_; }
  const Store& theta() const { return *theta_; }
  const nn::Model& function() const;  // with the behavior, if one is attached
  bool attached() const { return attached_.has_value(); }
  void unload();  // detaches and drops the behavior; no effect if none is attached

 private:
  Ledger* ledger_;
  const Store* theta_;
  const nn::Model* model_;
  std::optional<Attached> attached_;
};

class Rollback {
 public:
  virtual ~Rollback() = default;
  virtual std::string_view id() const = 0;  // "R0", ...
  virtual void before(const Store& /*theta*/) {}
  virtual void after(const Store& /*theta*/) {}
  virtual void undo(Subject& subject) = 0;
  virtual std::uint64_t bytes_kept() const = 0;
};

std::unique_ptr<Rollback> no_rollback();     // R0: the paper's "reset" of mutated weights
std::unique_ptr<Rollback> snapshot();        // R1: puts back a full copy
std::unique_ptr<Rollback> subtract_delta();  // R3: subtracts the exact f32 difference
// R6: fine-tunes on original data; `train` runs the steps on the store it is given.
std::unique_ptr<Rollback> fine_tune_back(std::function<void(Ledger&, const Store&)> train);
std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng);  // R12
std::unique_ptr<Rollback> unload();                                             // R17: detaches phi

}  // namespace palinode::rbl
