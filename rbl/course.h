// A course of training: what an adaptation runs, and what the arms run that train again.
//
//   const Course course = {.loss = loss, .optimizer = adam({.lr = 1e-3}), .steps = 200};
//   run(ledger, theta, model, course, {.state = "adam.theta"});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nn/run.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "rbl/work.h"
#include "tensor/ledger.h"

namespace palinode::rbl {

// The loss of step t, of the function given, recorded on the run's tape. Depends on nothing else,
// so that a step can be computed again.
using Loss = std::function<Var(nn::Run& run, const nn::Model& function, std::uint64_t t)>;

using MakeOptimizer =
    std::function<std::unique_ptr<optim::Optimizer>(const Store& state, const Store& target)>;

MakeOptimizer sgd(const optim::SgdConfig& config);
MakeOptimizer adam(const optim::AdamConfig& config);

struct Course {
  Loss loss;
  MakeOptimizer optimizer;
  std::uint64_t steps = 0;
};

// One step's gradients, at the values the stores hold now.
struct Pass {
  Gradients gradients;
  Work work;
};
Pass pass(const nn::Model& function, const Loss& loss, std::uint64_t t);

struct CourseOptions {
  std::string state;                  // name of a fresh store for the optimizer's state
  double scale = 1;                   // of every gradient: -1 climbs the loss
  std::optional<Reason> reason = {};  // in place of the optimizer's own: kPolicyGradient
  std::uint64_t seed = 0;
  // Of a course that may diverge: end it before a step whose values would not be finite.
  bool stop_if_not_finite = false;
  std::function<void(const Store& target)> after_step = {};  // after each commit
};

// Trains `target`, by which `function` computes. Returns what the passes cost.
Work run(Ledger& ledger, const Store& target, const nn::Model& function, const Course& course,
         const CourseOptions& options);

}  // namespace palinode::rbl
