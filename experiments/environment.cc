#include "experiments/environment.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tensor/gemm.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace palinode::experiments {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string compiler_name() {
#if defined(__clang__)
  return fmt::format("clang {}", __clang_version__);
#else
  return fmt::format("gcc {}", __VERSION__);
#endif
}

}  // namespace

std::string_view version() { return PALINODE_VERSION; }

nlohmann::ordered_json environment_json() {
  nlohmann::ordered_json j;
  j["compiler"] = compiler_name();
  j["simd"] = simd_name(active_simd());
  j["simd_available"] = nlohmann::ordered_json::array();
  for (const Simd simd : available_simd()) j["simd_available"].push_back(simd_name(simd));
  j["backend"] = gemm_name(active_gemm());
  j["same_bits_contract"] = active_gemm() == Gemm::kCanonical;
  if (active_gemm() == Gemm::kOpenblas) {
    j["openblas_core"] = openblas_core();
    j["openblas_config"] = openblas_config();
  }
  j["threads"] = threads();
  j["cpu"] = cpu_name();
  utsname os{};
  if (uname(&os) == 0) j["os"] = fmt::format("{} {} {}", os.sysname, os.release, os.machine);
  return j;
}

}  // namespace palinode::experiments
