// What a training costs from the start of its process on: the time to the third step, the peak of
// memory. Each sample is a run of palinode_step or palinode_torch_step (step.h).
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "bench/case.h"
#include "tensor/error.h"

namespace palinode::bench {
namespace {

struct Ran {
  double seconds, bytes;
};

// libtorch takes its memory and its threads as a process that was told nothing does, but for one
// thread.
Ran run(const std::filesystem::path& program, const std::string& model) {
  const std::string command = fmt::format(
      "env -u MALLOC_TOP_PAD_ -u MALLOC_TRIM_THRESHOLD_ -u MALLOC_MMAP_THRESHOLD_ "
      "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 '{}' {}",
      program.string(), model);
  const auto start = std::chrono::steady_clock::now();
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw EnvironmentError("compare: cannot start " + command);
  double bytes = 0;
  const int read = std::fscanf(pipe, "%lf", &bytes);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  if (::pclose(pipe) != 0 || read != 1) throw EnvironmentError("compare: failed: " + command);
  return {spent.count(), bytes};
}

std::vector<Contender> contenders(const std::string& model, double Ran::*cost) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::vector<Contender> all;
  for (const auto& [name, program] :
       {std::pair("Palinode", "palinode_step"), std::pair("libtorch", "palinode_torch_step")}) {
    const auto path = folder / program;
    if (!std::filesystem::exists(path)) continue;
    all.push_back({.name = name, .cost = [=] { return run(path, model).*cost; }});
  }
  return all;
}

}  // namespace

std::vector<Case> step_cases() {
  return {
      {.what = "process start to the third step, MLP 64-64-10, Adam",
       .unit = Unit::kMilliseconds,
       .work = 1,
       .make = [] { return contenders("mlp", &Ran::seconds); },
       .bars = {{"libtorch", "best", 25, "20 ms where libtorch has 500"}}},
      {.what = "peak of memory, MLP 64-64-10, batch 32, Adam",
       .unit = Unit::kMegabytes,
       .work = 1,
       .make = [] { return contenders("mlp", &Ran::bytes); },
       .bars = {{"libtorch", "best", 161.0 / 20, "20 MB where libtorch has 161"}}},
      {.what = "peak of memory, GPT 4 layers, d 128, ctx 64, batch 16, Adam",
       .unit = Unit::kMegabytes,
       .work = 1,
       .make = [] { return contenders("gpt", &Ran::bytes); },
       .bars = {{"libtorch", "best", 240.0 / 60, "60 MB where libtorch has 240"}}},
  };
}

}  // namespace palinode::bench
