// The machine's limits as contenders, measured in the same rounds as what they limit.
#pragma once

#include <cstddef>

#include "bench/case.h"

namespace palinode::bench {

inline constexpr char kLimit[] = "limit";  // their name; the variant says which

// Fused multiply-adds out of registers, on `threads` threads at once. Work: operations.
template <class T>
Contender fma_limit(std::size_t threads);

// Reads as many bytes as the case does, or copies: half of them read and half written. Work:
// bytes.
Contender read_limit(std::size_t bytes);
Contender copy_limit(std::size_t bytes);

}  // namespace palinode::bench
