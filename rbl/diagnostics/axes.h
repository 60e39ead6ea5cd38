// The five axes along which SVAR perturbs an adapted function. Each is a function object that gives
// the outputs on its probes for a size and a draw, and does nothing at size 0 (svar.h). Draws are
// numbered streams, so any of them can be had again, alone and in any order.
//
//   axis          size                                                     perturbed
//   parameter     sigma: noise of norm sigma ||w|| in each tensor, or      theta' or phi, in a copy
//                 the share of its elements set to zero
//   topology      swaps of neighbours in the order of composition          the units' order
//   runtime       unload-and-load cycles, at random places in the probes   the moment of loading
//   environment   sigma: noise of norm sigma ||x|| on each input, or       the probes
//                 the share of its tokens replaced
//   reset         forced unloads, each followed by a load                  the state before
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "rbl/diagnostics/scratch.h"
#include "tensor/rng.h"

namespace palinode::rbl {

// Adds c z to each tensor w of n elements, z normal, c = sigma (||w|| / sqrt(n)): the same
// *relative* size for every tensor, and for theta and phi alike, whose scales differ. In f64 but
// for c, z, c z and the sum, rounded to the type. Element i of tensor p takes normal(i) of the
// stream `rng/p/draw`. A tensor of norm 0 stays as it is.
NamedValues with_relative_noise(const NamedValues& values, double sigma, std::uint64_t draw,
                                const Rng& rng);

// Element i of tensor p becomes +0 if uniform(i) of the stream `rng/p/draw` is below the share.
NamedValues masked(const NamedValues& values, double share, std::uint64_t draw, const Rng& rng);

using ValueChange =
    std::function<NamedValues(const NamedValues&, double, std::uint64_t, const Rng&)>;

// Parameter axis: f(.; w) with w changed by with_relative_noise or masked.
class ParameterAxis {
 public:
  ParameterAxis(Family family, const Store& store, ValueChange change, Tensor probes, Rng rng);
  Tensor operator()(double size, std::uint64_t draw) const;

 private:
  Family family_;
  Role role_;
  NamedValues values_;
  ValueChange change_;
  Tensor probes_;
  Rng rng_;
};

// The function made of the units 0 to n - 1 composed in this order.
using Compose = std::function<std::unique_ptr<nn::Model>(std::span<const std::size_t> order)>;

// The order 0, ..., units - 1 after `swaps` exchanges of neighbours; exchange i is at the place
// below(i, units - 1) of the stream `rng/draw`.
std::vector<std::size_t> perturbed_order(std::size_t units, std::size_t swaps, std::uint64_t draw,
                                         const Rng& rng);

// Topology axis. Asking it throws ShapeError for fewer than two units, which have one order only,
// and, as of the axes below that count, for a size that is no whole number.
class TopologyAxis {
 public:
  TopologyAxis(Compose compose, std::size_t units, Tensor probes, Rng rng);
  Tensor operator()(double size, std::uint64_t draw) const;

 private:
  Compose compose_;
  std::size_t units_;
  Tensor probes_;
  Rng rng_;
};

// What the axes of loading do to the subject. `load` returns the function with everything loaded,
// `unload` the identity that is left without; both stay good until the next call of either. Loading
// what is loaded does nothing.
struct Lifecycle {
  std::function<const nn::Model&()> load, unload;
};

// Runtime axis: before row below(i, n) of the n probes, for cycle i and the stream `rng/draw`,
// everything is unloaded and loaded again.
class RuntimeAxis {
 public:
  RuntimeAxis(Lifecycle lifecycle, Tensor probes, Rng rng);
  Tensor operator()(double size, std::uint64_t draw) const;

 private:
  Lifecycle lifecycle_;
  Tensor probes_;
  Rng rng_;
};

// Environment axis. For float probes the noise of element i is normal(i) of the stream `rng/draw`,
// scaled by sigma ||x|| / sqrt(n) of its row x of n values. For tokens (i32, `vocab` > 0) token i
// is replaced by below(2 i + 1, vocab) if uniform(2 i) is below the share.
class EnvironmentAxis {
 public:
  // The function outlives the axis.
  EnvironmentAxis(const nn::Model& function, Tensor probes, Rng rng, std::size_t vocab = 0);
  Tensor operator()(double size, std::uint64_t draw) const;

 private:
  const nn::Model* function_;
  Tensor probes_;
  Rng rng_;
  std::size_t vocab_;
};

// Reset axis: forced unloads, between which the identity runs on the probes.
class ResetAxis {
 public:
  ResetAxis(Lifecycle lifecycle, Tensor probes);
  Tensor operator()(double size, std::uint64_t draw) const;

 private:
  Lifecycle lifecycle_;
  Tensor probes_;
};

}  // namespace palinode::rbl
