// The command line `palinode`.
#pragma once

namespace palinode::experiments {

// Runs one command. Results go to stdout, progress and errors to stderr, one line an error. Returns
//   0 done, 1 a check failed, 2 usage, 3 bad input file, 4 environment,
//   128 + n a training run ended by signal n, after a checkpoint.
int run_command_line(int argc, const char* const* argv);

}  // namespace palinode::experiments
