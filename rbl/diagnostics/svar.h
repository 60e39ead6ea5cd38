// SVAR, the variance of a function under perturbation (paper, section on SVAR): at a size s,
//   SVAR(s) = mean over draws of D_KL(f || f_perturbed),   D_KL the mean over the probes,
// f being the *adapted* function: with its behavior for phi, with its changed weights for theta'.
// SVAR(0) is 0 exactly, and is measured to be. The reference code takes the base function in f's
// place, which mixes the size of the behavior with its stability: `reference_code`.
//
// Axes (axes.h): parameter, topology, runtime, environment, reset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rbl/diagnostics/envelope.h"
#include "rbl/metrics.h"
#include "tensor/function_ref.h"

namespace palinode::rbl {

// The outputs on the probes, [probes, classes], of the function perturbed by draw `draw` of this
// size. At size 0 the perturbation does nothing.
using Perturbed = FunctionRef<Tensor(double size, std::uint64_t draw)>;

struct SvarPoint {
  double size = 0;
  std::vector<double> draws;  // D_KL of each draw, nats
  Envelope envelope;          // of the draws; envelope.mean is SVAR(size)
  Envelope reference_code;    // of D_KL(base || perturbed), nats
};

struct Svar {
  std::string axis;
  std::vector<SvarPoint> points;   // ascending sizes, none of them 0
  double reference_code_at_0 = 0;  // D_KL(base || adapted): what the reference code gives for none
  // Least squares through (0, 0): sum(s * SVAR) / sum(s * s), nats per unit of size.
  double slope = 0;
  // The exponent k of SVAR ~ s^k: least squares of ln SVAR on ln s. 2 for small noise on a smooth
  // function. None unless two sizes have a positive and finite SVAR.
  std::optional<double> order;

  double largest() const;  // of all draws
};

struct SvarConfig {
  std::vector<double> sizes;  // positive, ascending
  std::size_t draws = 30;
};

// Throws ShapeError for no draws or sizes that are not ascending and positive, and Error if the
// axis at size 0 is not the adapted function to the last bit: then the measurement itself
// perturbs.
//   adapted, base f64 [probes, classes]: log-probabilities of both functions
Svar svar(std::string axis, const Tensor& adapted, const Tensor& base, const SvarConfig& config,
          Perturbed perturbed);

}  // namespace palinode::rbl
