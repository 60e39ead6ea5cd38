#include "tensor/error.h"

#include <cstdio>
#include <cstdlib>

namespace palinode {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "palinode: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace palinode
