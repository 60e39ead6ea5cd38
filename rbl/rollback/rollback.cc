#include "rbl/rollback.h"

#include <chrono>

namespace palinode::rbl {

void Rollback::undo(Subject& subject) {
  const auto start = std::chrono::steady_clock::now();
  work_ = {};
  roll_back(subject);
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Price Rollback::price() const {
  return {.bytes_kept = bytes_kept(),
          .passes = work_.passes,
          .flops = work_.flops,
          .seconds = seconds_};
}

}  // namespace palinode::rbl
