// Rollback arms by name, as the studies list them in their knobs: "R6", "R4-int8", "R16-10%".
#pragma once

#include <functional>
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

// Those that are there before the adaptation, and those made once it is known how long it took. An
// arm that cannot be had here (R18 of an identity that came from a file; the replay of another
// optimizer) is left out. Throws UsageError for a name that is not there.
struct Arms {
  Rollbacks before;
  LateArms late;
};
Arms make_arms(std::span<const std::string> names, const ArmContext& context);

}  // namespace palinode::experiments
