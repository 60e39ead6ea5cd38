#include "bench/table.h"
#include "experiments/precision/blas_peers.h"
#include "experiments/precision/products.h"
#include "tensor/parallel.h"

namespace palinode::bench {

std::vector<Precision> product_precision() {
  set_threads(1);
  for (const auto& peer : experiments::precision::blas_peers()) peer.set_threads(1);
  std::vector<Precision> list;
  for (const auto& each : experiments::precision::library_product_errors()) {
    // "OpenBLAS Zen": a library and its variant.
    const std::size_t space = each.name.find(' ');
    const bool plain = space == std::string::npos;
    list.push_back(
        {each.name.substr(0, space), plain ? "" : each.name.substr(space + 1), each.max, each.rms});
  }
  return list;
}

}  // namespace palinode::bench
