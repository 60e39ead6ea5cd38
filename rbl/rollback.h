// Rollback arms R0 to R18 behind one interface: what an arm needs and keeps, what it does to bring
// the identity back, and what that costs (docs/rollback.md).
//
//   arm->before(theta);              // theta as it was: what may the arm keep of it?
//   ... adaptation, arm->after_step(theta) after each commit of it ...
//   arm->after_optimizer(state);     // what the optimizer held in the end, if there was one
//   arm->after(theta');              // and what theta became
//   arm->undo(subject);              // every write through the subject's ledger
//   arm->price();
//
// An arm is honest about its price: bytes_kept is the side information it would have to store.
// arms() in rollback/info.h lists all; each file in rollback/ defines one, and rollback/arms.h
// makes those that are not made here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rbl/attach.h"
#include "rbl/rollback/info.h"
#include "rbl/work.h"
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
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;

  const ArmInfo& info() const { return *info_; }
  std::string_view id() const { return info_->id; }  // "R0", ...
  // Tells arms of one id apart ("int8"); empty where there is one form only.
  virtual std::string variant() const { return {}; }

  virtual void before(const Store& /*theta*/) {}
  virtual void after_step(const Store& /*theta*/) {}
  virtual void after_optimizer(const Store& /*state*/) {}
  virtual void after(const Store& /*theta*/) {}
  // Once a subject: an arm that trains opens a store "<id>.<name of theta>" for its optimizer.
  // Subjects do not affect each other.
  void undo(Subject& subject);

  virtual std::uint64_t bytes_kept() const = 0;
  Price price() const;  // of the last undo

 protected:
  explicit Rollback(std::string_view id) : info_(&arm_info(id)) {}
  virtual void roll_back(Subject& subject) = 0;
  void count(const Work& work) { work_ += work; }

 private:
  const ArmInfo* info_;
  Work work_;
  double seconds_ = 0;
};

std::unique_ptr<Rollback> no_rollback();     // R0: the paper's "reset" of mutated weights
std::unique_ptr<Rollback> snapshot();        // R1: puts back a full copy
std::unique_ptr<Rollback> subtract_delta();  // R3: subtracts the exact f32 difference
// Training that the caller does himself, on the store it is given; what it costs is not known here.
using Training = std::function<void(Ledger&, const Store& theta)>;
// R6: fine-tunes on original data.
std::unique_ptr<Rollback> fine_tune_back(Training train, std::string variant = {});
std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng);  // R12
std::unique_ptr<Rollback> unload();                                             // R17: detaches phi

}  // namespace palinode::rbl
