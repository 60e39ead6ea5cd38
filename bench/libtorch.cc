#include <dlfcn.h>

#include <filesystem>

#include "bench/torch_peer.h"

namespace palinode::bench {

const TorchApi* libtorch() {
  static const TorchApi* const api = []() -> const TorchApi* {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    const auto module = program.parent_path() / "libpalinode_torch.so";
    void* library = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    using Get = const TorchApi* (*)();
    const auto get = reinterpret_cast<Get>(dlsym(library, "palinode_torch_api"));
    return get == nullptr ? nullptr : get();
  }();
  return api;
}

}  // namespace palinode::bench
