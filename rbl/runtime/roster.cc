#include "rbl/runtime/roster.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode::rbl {

const Version* Unit::find(std::uint64_t number) const {
  const auto found = std::ranges::find(versions, number, &Version::number);
  return found == versions.end() ? nullptr : &*found;
}

const Version& Unit::at(std::uint64_t number) const {
  if (const Version* found = find(number)) return *found;
  throw NameError(fmt::format("{}: no version {} was kept", name, number));
}

const Unit& Roster::at(std::string_view unit) const {
  const auto found = units.find(unit);
  if (found == units.end()) throw NameError(fmt::format("runtime: no unit named {}", unit));
  return *found->second;
}

std::vector<std::string> Roster::copies_of(std::string_view unit) const {
  std::vector<std::string> names;
  for (const auto& [name, copy] : copies) {
    if (copy.discarded) continue;
    if (std::ranges::find(copy.units, unit) != copy.units.end()) names.push_back(name);
  }
  return names;
}

}  // namespace palinode::rbl
