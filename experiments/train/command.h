// The commands `palinode train`, `eval` and `generate`.
#pragma once

#include <vector>

#include "experiments/command.h"

namespace palinode::experiments::train {

Command add_train_command(CLI::App& app);
Command add_eval_command(CLI::App& app);
Command add_generate_command(CLI::App& app);

}  // namespace palinode::experiments::train
