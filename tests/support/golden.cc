#include "tests/support/golden.h"

namespace palinode::golden {

std::string path(const std::string& name) {
  return std::string(PALINODE_ROOT) + "/tests/golden/" + name;
}

SafetensorsFile read(const std::string& name) { return read_safetensors(path(name)); }

}  // namespace palinode::golden
