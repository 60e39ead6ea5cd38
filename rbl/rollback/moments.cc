#include "rbl/rollback/moments.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode::rbl {

void Moments::keep(const Store& state, std::uint64_t steps) {
  const double taken = state.at("step").item();
  if (taken != static_cast<double>(steps)) {
    throw Error(fmt::format("replay: {} has taken {} steps, {} are to be taken back", state.name(),
                            taken, steps));
  }
  kept_.clear();
  for (const Entry& entry : state.entries()) {
    for (const std::string& slot : slots_) {
      if (entry.name.starts_with(slot + "/")) kept_.push_back({entry.name, entry.value});
    }
  }
}

Values Moments::of(std::string_view slot, const Store& theta) const {
  Values values;
  for (const Entry& entry : theta.entries()) {
    const std::string name = fmt::format("{}/{}", slot, entry.name);
    const auto found = std::ranges::find(kept_, name, &Entry::name);
    if (found == kept_.end()) {
      throw NameError(fmt::format("replay: after_optimizer was given no {}", name));
    }
    values.push_back(found->value);
  }
  return values;
}

std::uint64_t Moments::bytes() const {
  std::uint64_t bytes = 0;
  for (const Entry& entry : kept_) bytes += entry.value.bytes();
  return bytes;
}

}  // namespace palinode::rbl
