// What the program and its MPI module agree on.
#pragma once

#include "experiments/suite/peers.h"

namespace palinode::experiments {

inline constexpr const char* kMpiModule = "libpalinode_mpi.so";
inline constexpr const char* kMpiEntry = "palinode_mpi_peers";
// Ownership goes to the caller. Throws EnvironmentError if MPI cannot be started.
using MakePeers = Peers*();

}  // namespace palinode::experiments
