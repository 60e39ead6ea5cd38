#include "experiments/precision/command.h"

#include <fmt/format.h>

#include <memory>

#include "experiments/precision/unary.h"
#include "tensor/digest.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

using precision::Json;

struct Options : Machine {
  std::vector<std::string> kernels, own, scalar;
  bool exhaustive = false, quiet = false;
  unsigned every = 10;
  std::string out = "results/precision";
};

int run(const Options& options) {
  apply(options);
  precision::UnaryOptions unary{.exhaustive = options.exhaustive, .every = options.every};
  unary.quiet = options.quiet;
  unary.folder = options.out + "/sweeps";
  unary.identity = hex(sha256(read_file("/proc/self/exe", std::size_t{1} << 30)));
  std::vector<precision::OwnKernel> own;
  for (const auto& text : options.own) own.push_back(precision::load_own_kernel(text, options.kernels, false));
  for (const auto& text : options.scalar) own.push_back(precision::load_own_kernel(text, options.kernels, true));
  for (const std::string& name : options.kernels) {
    const Json one = precision::measure_unary(precision::reference_named(name), own, unary);
    print(one.dump(1) + "\n");
  }
  return kDone;
}

}  // namespace

Command add_precision_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("precision", "ULPs next to nanoseconds");
  const auto options = std::make_shared<Options>();
  command->add_option("kernels", options->kernels, "What to measure (default: everything)");
  command->add_flag("--exhaustive", options->exhaustive, "All 2^32 inputs");
  command->add_option("--sample", options->every, "One input in 2^K");
  command->add_option("--kernel", options->own, "[KERNEL=]LIBRARY:SYMBOL");
  command->add_option("--scalar-kernel", options->scalar, "[KERNEL=]LIBRARY:SYMBOL");
  command->add_option("--out", options->out, "Folder")->capture_default_str();
  command->add_flag("--quiet", options->quiet, "No progress");
  add_machine_options(*command, *options);
  return {command, [options] { return run(*options); }};
}

}  // namespace palinode::experiments
