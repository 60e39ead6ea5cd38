// The commands `palinode adapt`, `detach`, `certify`, `behavior` and `inspect`.
#pragma once

#include <vector>

#include "experiments/command.h"

namespace palinode::experiments {

Command add_adapt_command(CLI::App& app);
Command add_detach_command(CLI::App& app);
Command add_certify_command(CLI::App& app);
Command add_behavior_command(CLI::App& app);
// Those below `palinode behavior`: one made of two models, PEFT's folders, keys and signatures.
Command add_extract_command(CLI::App& behavior);
std::vector<Command> add_peft_commands(CLI::App& behavior);
std::vector<Command> add_sign_commands(CLI::App& behavior);
Command add_inspect_command(CLI::App& app);

}  // namespace palinode::experiments
