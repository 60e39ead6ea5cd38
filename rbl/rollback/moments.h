// The moments an optimizer held when the adaptation was over, for the arms that invert its steps.
#pragma once

#include <string>
#include <vector>

#include "rbl/rollback/values.h"

namespace palinode::rbl {

class Moments {
 public:
  // Of every parameter: `<slot>/<name>` for each slot.
  explicit Moments(std::vector<std::string> slots) : slots_(std::move(slots)) {}

  // Keeps the state. Throws Error unless it has taken so many steps.
  void keep(const Store& state, std::uint64_t steps);
  // A slot's values, in the order of theta's entries. Throws NameError for a parameter that the
  // state did not have, or if no state was kept.
  Values of(std::string_view slot, const Store& theta) const;
  std::uint64_t bytes() const;

 private:
  std::vector<std::string> slots_;
  std::vector<Entry> kept_;
};

}  // namespace palinode::rbl
