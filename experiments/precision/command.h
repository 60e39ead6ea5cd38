// `palinode precision`: ULPs next to nanoseconds.
#pragma once

#include "experiments/command.h"

namespace palinode::experiments {

Command add_precision_command(CLI::App& app);

}  // namespace palinode::experiments
