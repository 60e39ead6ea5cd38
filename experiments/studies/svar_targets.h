// What E11 perturbs, and how: an adapted function of theta or of phi with its axes (svar.h,
// axes.h).
//
// Theta has no behavior to order, load or unload. In its place stand the differences of
// fine-tunings: adding one is loading it, subtracting it is unloading, in the weights' own
// arithmetic.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "experiments/studies/targets.h"
#include "rbl/diagnostics/axes.h"
#include "rbl/diagnostics/svar.h"

namespace palinode::experiments {

// Two adaptations of the identity by Adam: to its shifted task until the score is reached, and a
// second one, of so many steps with other batches, for the axis of topology.
class SvarTarget {
 public:
  virtual ~SvarTarget() = default;
  SvarTarget(const SvarTarget&) = delete;
  SvarTarget& operator=(const SvarTarget&) = delete;

  virtual std::string locus() const = 0;  // "theta", "phi"
  virtual const Store& store() const = 0;
  virtual const nn::Model& function() const = 0;
  virtual rbl::Family family() const = 0;
  // Both adaptations in this order.
  virtual rbl::Compose compose() const = 0;
  // Of the first adaptation, as it is after training; a new one each time, with a state of its own.
  virtual rbl::Lifecycle lifecycle() const = 0;
  const Adapted& adapted() const { return adapted_; }

 protected:
  SvarTarget() = default;
  Adapted adapted_;
};

std::unique_ptr<SvarTarget> svar_of_theta(const Identity& identity, const Rng& stream,
                                          std::uint64_t second_steps);
std::unique_ptr<SvarTarget> svar_of_phi(const Identity& identity, const Rng& stream,
                                        std::uint64_t second_steps);

}  // namespace palinode::experiments
