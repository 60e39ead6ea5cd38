// The commands `palinode adapt`, `detach`, `certify`, `behavior` and `inspect`.
#pragma once

#include "experiments/command.h"

namespace palinode::experiments {

Command add_adapt_command(CLI::App& app);
Command add_detach_command(CLI::App& app);
Command add_certify_command(CLI::App& app);
Command add_behavior_command(CLI::App& app);
Command add_inspect_command(CLI::App& app);

}  // namespace palinode::experiments
