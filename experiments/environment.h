// What this program is and where it runs. Recorded beside results; never part of one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace palinode::experiments {

std::string_view version();  // "0.1.0"

// compiler, simd, simd_available, backend, same_bits_contract, threads, cpu, os; and with OpenBLAS
// as the backend, openblas_core and openblas_config.
nlohmann::ordered_json environment_json();

}  // namespace palinode::experiments
