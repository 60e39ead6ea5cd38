// What somebody asked for cannot be meant: exit code 2.
#pragma once

#include "tensor/error.h"

namespace palinode::experiments {

class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace palinode::experiments
