#include "tests/support/golden.h"

namespace palinode::golden {

SafetensorsFile read(const std::string& name) {
  return read_safetensors(std::string(PALINODE_ROOT) + "/tests/golden/" + name);
}

}  // namespace palinode::golden
