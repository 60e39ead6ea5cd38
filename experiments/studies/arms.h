// Rollback arms by name, as the studies list them in their knobs: "R6", "R4-int8", "R16-10%".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/studies/trial.h"

namespace palinode::experiments {

struct ArmForm {
  std::string_view name;  // "R6-long"
  std::string_view text;  // "fine-tune on original data, five times the budget"
};

// What there is. Arms that need an adaptation of their own have studies of their own: R12 (E3),
// R13 (E19), R14 (E8), R15 (E15), R17 (every study of a phi), and those with lost bits (E13).
std::span<const ArmForm> arm_forms();

// What an arm may need to know of the adaptation it is to undo.
struct ArmContext {
  const Identity& identity;
  const Task& task;
  Mechanism mechanism;
  Rng stream;     // that of the adaptation
  double lr = 0;  // and its rate
};

// How the arms that train are made. One without a maker cannot be had, nor one that is made null.
using MadeArm = std::unique_ptr<rbl::Rollback>;
struct ArmMakers {
  Rng rng;                                                   // of R4's noise
  std::function<MadeArm(double times)> fine_tune_back = {};  // R6, with so many times its budget
  std::function<MadeArm()> distil_back = {}, retrain = {};   // R7, R18
  // R5, R8 and the replays R9 to R11, of an adaptation of so many steps.
  std::function<MadeArm(std::uint64_t steps)> estimate = {}, ascend = {};
  std::function<MadeArm(std::string_view name, std::uint64_t steps)> replay = {};
};
ArmMakers makers_of(const ArmContext& context);

// Steps of R8: half of the adaptation's, which overshoots on most tasks already.
std::uint64_t ascent_steps(std::uint64_t steps);

// Those that are there before the adaptation, and those made once it is known how long it took. An
// arm that cannot be had here (R18 of an identity that came from a file; the replay of another
// optimizer) is left out. Throws UsageError for a name that is not there.
struct Arms {
  Rollbacks before;
  LateArms late;
};
Arms make_arms(std::span<const std::string> names, const ArmMakers& makers);
Arms make_arms(std::span<const std::string> names, const ArmContext& context);

}  // namespace palinode::experiments
