#include "rbl/kinds/low_rank.h"

#include <algorithm>
#include <cmath>

namespace palinode::rbl::kinds {

LowRank::LowRank(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
    : Behavior(phi, identity, config) {
  const double rank = config.settings.at("rank");
  const bool stabilized = config.settings.at("rank_stabilized") != 0;
  scaling_ = config.settings.at("alpha") / (stabilized ? std::sqrt(rank) : rank);
  const auto width = static_cast<std::size_t>(rank);
  for (const std::string& name : config.sites) {
    const std::string weight = name + ".weight";
    const Shape& shape = theta().at(weight).shape();
    const std::size_t in = shape[0], out = shape[1];
    sites_.push_back({name, weight, name + ".lora_A", name + ".lora_B", in, out});
    declare(sites_.back().a, {in, width}, nn::uniform_fan_in(in), nn::Layout::kLinear);
    declare(sites_.back().b, {width, out}, nn::zeros(), nn::Layout::kLinear);
  }
}

Var column_norms(Var matrix) {
  const Var squares = square(matrix);
  return sqrt(sum(squares, 0, true));
}

const LowRank::Site* LowRank::find(std::string_view name) const {
  const auto found = std::ranges::find(sites_, name, &Site::name);
  return found == sites_.end() ? nullptr : &*found;
}

}  // namespace palinode::rbl::kinds
