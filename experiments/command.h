// What the commands of `palinode` share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace palinode::experiments {

enum ExitCode : int { kDone = 0, kCheckFailed = 1, kUsage = 2, kBadInput = 3, kEnvironment = 4 };

// The exit code of a command that threw this.
ExitCode exit_code(const std::exception& error);

// Where a command computes. Nothing here changes a result but gemm = "openblas".
struct Machine {
  std::size_t threads = 0;  // 0: all cores
  std::string simd = "best", gemm = "canonical";
};

void add_machine_options(CLI::App& app, Machine& machine);

// Throws EnvironmentError if this machine cannot keep the arithmetic, or has no such instructions
// or no OpenBLAS.
void apply(const Machine& machine);

// Results, to stdout.
void print(std::string_view text);

// The line with a question mark for each byte that is not printable ASCII: for a file's metadata.
std::string printable(std::string line);

// Whether to color what goes to this stream: a terminal, and neither `no_color` nor NO_COLOR.
bool use_color(int descriptor, bool no_color);

// A subcommand that was added to the parser, and what runs it. Returns an exit code.
struct Command {
  CLI::App* app;
  std::function<int()> run;
};

}  // namespace palinode::experiments
