// An outcome as JSON, for the file of finished cells and for other processes: bit for bit the same
// when read again.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "experiments/studies/study.h"

namespace palinode::experiments {

nlohmann::ordered_json outcome_json(const Outcome& outcome);
// Throws FormatError naming what is missing or not of its type.
Outcome outcome_from_json(const nlohmann::ordered_json& json);

}  // namespace palinode::experiments
