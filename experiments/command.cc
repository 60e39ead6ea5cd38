#include "experiments/command.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/gemm.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace palinode::experiments {

ExitCode exit_code(const std::exception& error) {
  if (dynamic_cast<const UsageError*>(&error) != nullptr) return kUsage;
  if (dynamic_cast<const FormatError*>(&error) != nullptr) return kBadInput;
  if (dynamic_cast<const EnvironmentError*>(&error) != nullptr) return kEnvironment;
  return dynamic_cast<const Error*>(&error) != nullptr ? kCheckFailed : kEnvironment;
}

void add_machine_options(CLI::App& app, Machine& machine) {
  app.add_option("--threads", machine.threads, "Threads (default: all cores); never changes a bit")
      ->check(CLI::Range(1, 1024));
  app.add_option("--simd", machine.simd, "Instruction set; never changes a bit")
      ->check(CLI::IsMember({"scalar", "sse4", "avx2", "avx3", "neon", "best"}))
      ->capture_default_str();
  app.add_option("--gemm", machine.gemm,
                 "Matrix product; OpenBLAS's is outside the same-bits contract")
      ->check(CLI::IsMember({"canonical", "openblas"}))
      ->capture_default_str();
}

// --simd names were checked by the parser; whether this processor has the target is known only
// here.
void apply(const Machine& machine) {
  check_floating_point();
  if (machine.threads != 0) set_threads(machine.threads);
  use_gemm(machine.gemm == gemm_name(Gemm::kOpenblas) ? Gemm::kOpenblas : Gemm::kCanonical);
  if (machine.simd == "best") return use_simd(available_simd().front());
  for (const Simd simd : {Simd::kScalar, Simd::kSse4, Simd::kAvx2, Simd::kAvx3, Simd::kNeon}) {
    if (simd_name(simd) == machine.simd) use_simd(simd);
  }
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string printable(std::string line) {
  for (char& c : line) c = c >= ' ' && c <= '~' ? c : '?';
  return line;
}

bool use_color(int descriptor, bool no_color) {
  const char* variable = std::getenv("NO_COLOR");
  return !no_color && (variable == nullptr || *variable == '\0') && isatty(descriptor) == 1;
}

}  // namespace palinode::experiments
