#include "experiments/precision/blas_peers.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "tensor/error.h"
#include "tensor/kernels/blas.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using kernels::CblasGemm;

template <class T>
using CblasGemv = void (*)(int order, int transpose, int rows, int cols, T alpha, const T* a,
                           int line, const T* x, int x_step, T beta, T* y, int y_step);

template <class T>
std::function<void(const GemmCall<T>&)> by_cblas(CblasGemm<T> gemm) {
  using namespace kernels;
  return [gemm](const GemmCall<T>& q) {
    gemm(kCblasRowMajor, q.a_transposed ? kCblasTrans : kCblasNoTrans,
         q.b_transposed ? kCblasTrans : kCblasNoTrans, q.m, q.n, q.k, T{1}, q.a, q.a_line, q.b,
         q.b_line, T{0}, q.c, q.n);
  };
}

template <class Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

BlasPeer openblas_peer(const std::string& file, bool automatic) {
  const kernels::OpenBlas loaded = kernels::load_openblas(file);
  BlasPeer peer{.name = "OpenBLAS", .variant = loaded.core, .automatic = automatic};
  peer.sgemm = by_cblas<float>(loaded.sgemm);
  peer.dgemm = by_cblas<double>(loaded.dgemm);
  if (const auto gemv = symbol<CblasGemv<float>>(loaded.library, "cblas_sgemv")) {
    peer.sgemv = [gemv](const GemmCall<float>& q) {
      gemv(kernels::kCblasRowMajor, kernels::kCblasTrans, q.k, q.n, 1, q.b, q.b_line, q.a, 1, 0,
           q.c, 1);
    };
  }
  using CblasDot = float (*)(int n, const float* a, int a_step, const float* b, int b_step);
  if (const auto dot = symbol<CblasDot>(loaded.library, "cblas_sdot")) {
    peer.sdot = [dot](std::span<const float> a, std::span<const float> b) {
      return dot(static_cast<int>(a.size()), a.data(), 1, b.data(), 1);
    };
  }
  peer.set_threads = loaded.set_num_threads;
  return peer;
}

// The core types that have kernels of their own and can run here; a wrong one is an illegal
// instruction.
std::vector<std::string> core_types() {
  std::vector<std::string> types;
#if defined(__x86_64__)
  const bool wide = active_simd() == Simd::kAvx3;
  if (wide && __builtin_cpu_supports("avx512bf16") != 0) {
    types.insert(types.end(), {"Sapphirerapids", "Cooperlake"});
  }
  if (wide) types.emplace_back("SkylakeX");
  if (wide || active_simd() == Simd::kAvx2) types.insert(types.end(), {"Haswell", "Zen"});
  if (active_simd() == Simd::kSse4) types.emplace_back("Nehalem");
#endif
  return types;
}

// Whether OpenBLAS may be left to choose: it does not know of a narrower SIMD target.
bool may_choose() { return active_simd() == available_simd().front(); }

std::string file_of(void* library) {
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return "";
  return map->l_name;
}

void add_openblas(std::vector<BlasPeer>& peers) {
  std::string file;
  try {
    file = file_of(kernels::openblas().library);
  } catch (const EnvironmentError&) {
    return;
  }
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("palinode-blas-{}", ::getpid());
  fs::create_directory(folder);
  std::set<std::string> cores;
  const auto add = [&](const std::string& type) {
    const fs::path copy = folder / fmt::format("libopenblas-{}.so", type);
    fs::copy_file(file, copy);
    if (type == "auto") {
      ::unsetenv("OPENBLAS_CORETYPE");
    } else {
      ::setenv("OPENBLAS_CORETYPE", type.c_str(), 1);
    }
    BlasPeer peer = openblas_peer(copy, type == "auto");
    // A type this build does not know falls back to one that is there already.
    if (cores.insert(peer.variant).second) peers.push_back(std::move(peer));
  };
  if (may_choose()) add("auto");
  for (const std::string& type : core_types()) add(type);
  ::unsetenv("OPENBLAS_CORETYPE");
  fs::remove_all(folder);
}

void add_blis(std::vector<BlasPeer>& peers) {
  void* library = dlopen("libblis.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return;
  const auto sgemm = symbol<CblasGemm<float>>(library, "cblas_sgemm");
  const auto dgemm = symbol<CblasGemm<double>>(library, "cblas_dgemm");
  using SetThreads = void (*)(std::ptrdiff_t);
  const auto set_threads = symbol<SetThreads>(library, "bli_thread_set_num_threads");
  using Config = int (*)();
  using ConfigName = const char* (*)(int);
  const auto config = symbol<Config>(library, "bli_arch_query_id");
  const auto config_name = symbol<ConfigName>(library, "bli_arch_string");
  if (sgemm == nullptr || dgemm == nullptr || set_threads == nullptr || config == nullptr ||
      config_name == nullptr) {
    return;
  }
  peers.push_back({.name = "BLIS",
                   .variant = config_name(config()),
                   .sgemm = by_cblas<float>(sgemm),
                   .dgemm = by_cblas<double>(dgemm),
                   .set_threads = [set_threads](int count) { set_threads(count); }});
}

template <class T>
using DnnlGemm = int (*)(char a_transposed, char b_transposed, std::int64_t m, std::int64_t n,
                         std::int64_t k, T alpha, const T* a, std::int64_t a_line, const T* b,
                         std::int64_t b_line, T beta, T* c, std::int64_t c_line);

void add_onednn(std::vector<BlasPeer>& peers) {
  void* library = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen("libdnnl.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return;
  const auto sgemm = symbol<DnnlGemm<float>>(library, "dnnl_sgemm");
  const auto set_threads = symbol<void (*)(int)>(library, "omp_set_num_threads");
  if (sgemm == nullptr || set_threads == nullptr) return;
  const auto call = [sgemm](const GemmCall<float>& q) {
    sgemm(q.a_transposed ? 'T' : 'N', q.b_transposed ? 'T' : 'N', q.m, q.n, q.k, 1, q.a, q.a_line,
          q.b, q.b_line, 0, q.c, q.n);
  };
  peers.push_back({.name = "oneDNN", .variant = "", .sgemm = call, .set_threads = set_threads});
}

}  // namespace

const std::vector<BlasPeer>& blas_peers() {
  static const std::vector<BlasPeer> peers = [] {
    std::vector<BlasPeer> list;
    add_openblas(list);
    // These choose their kernels by the processor, whatever our SIMD target is.
    if (may_choose()) {
      add_blis(list);
      add_onednn(list);
    }
    return list;
  }();
  return peers;
}

}  // namespace palinode::experiments::precision
