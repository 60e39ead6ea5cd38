#include "experiments/suite/peers.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "experiments/suite/mpi_module.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace palinode::experiments {
namespace {

class Alone : public Peers {
 public:
  std::size_t rank() const override { return 0; }
  std::size_t size() const override { return 1; }
  std::size_t on_this_machine() const override { return 1; }
  std::vector<std::string> exchange(const std::string& mine) override { return {mine}; }
  void abort(int code) override { std::exit(code); }
};

}  // namespace

std::unique_ptr<Peers> no_peers() { return std::make_unique<Alone>(); }

// MPI is a module beside the program, loaded when it is asked for, so that nobody else waits for
// its libraries at every start.
std::unique_ptr<Peers> mpi_peers() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path module = program.parent_path() / kMpiModule;
  if (error || !std::filesystem::exists(module)) {
    throw EnvironmentError(fmt::format(
        "--mpi: {} is not beside the program; it is built where Debian's libopenmpi-dev is found",
        kMpiModule));
  }
  void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) throw EnvironmentError(fmt::format("--mpi: {}", dlerror()));
  auto* make = reinterpret_cast<MakePeers*>(dlsym(handle, kMpiEntry));
  if (make == nullptr) throw EnvironmentError(fmt::format("--mpi: {}", dlerror()));
  return std::unique_ptr<Peers>(make());
}

bool together(Peers& peers, const std::function<void()>& work) {
  std::exception_ptr error;
  try {
    work();
  } catch (...) {
    error = std::current_exception();
  }
  const std::vector<std::string> failed = peers.exchange(error ? "failed" : "");
  for (std::size_t rank = 0; rank < failed.size(); ++rank) {
    if (failed[rank].empty()) continue;
    if (rank == peers.rank()) std::rethrow_exception(error);
    return false;
  }
  return true;
}

std::size_t threads_each(const Peers& peers) {
  return std::max<std::size_t>(1, threads() / peers.on_this_machine());
}

}  // namespace palinode::experiments
