#include "experiments/precision/own_kernel.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstddef>
#include <filesystem>

#include "experiments/usage_error.h"
#include "tensor/digest.h"
#include "tensor/file.h"

namespace palinode::experiments::precision {
namespace {

using Array = void (*)(const float* x, float* out, std::size_t n);
using Scalar = float (*)(float x);

}  // namespace

std::string OwnKernel::name() const {
  return std::filesystem::path(library).filename().string() + ":" + symbol;
}

Unary OwnKernel::unary() const {
  if (scalar) {
    return [f = reinterpret_cast<Scalar>(address)](std::span<const float> x, std::span<float> out) {
      for (std::size_t i = 0; i < x.size(); ++i) out[i] = f(x[i]);
    };
  }
  return [f = reinterpret_cast<Array>(address)](std::span<const float> x, std::span<float> out) {
    f(x.data(), out.data(), x.size());
  };
}

OwnKernel load_own_kernel(const std::string& text, const std::vector<std::string>& kernels,
                          bool scalar) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    throw UsageError(fmt::format("--kernel: expected [KERNEL=]LIBRARY:SYMBOL, got \"{}\"", text));
  }
  OwnKernel own{.kernel = {},
                .library = text.substr(0, colon),
                .symbol = text.substr(colon + 1),
                .digest = {}};
  own.scalar = scalar;
  const std::size_t equals = own.library.find('=');
  if (equals != std::string::npos) {
    own.kernel = own.library.substr(0, equals);
    own.library = own.library.substr(equals + 1);
  } else if (kernels.size() == 1) {
    own.kernel = kernels.front();
  } else {
    throw UsageError(fmt::format(
        "--kernel {}: which function is it? Say KERNEL={}, or name one kernel before it", text,
        text));
  }
  void* const library = dlopen(own.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw FormatError(fmt::format("--kernel: {}", dlerror()));
  own.address = dlsym(library, own.symbol.c_str());
  if (own.address == nullptr) {
    throw FormatError(fmt::format("--kernel: {} has no symbol {}", own.library, own.symbol));
  }
  std::error_code ignored;
  if (std::filesystem::is_regular_file(own.library, ignored)) {
    own.digest = hex(sha256(read_file(own.library, std::size_t{1} << 30)));
  }
  return own;
}

}  // namespace palinode::experiments::precision
