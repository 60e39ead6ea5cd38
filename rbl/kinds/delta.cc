// A difference for each of some parameters, added whenever theta's value is read: `bias` for those
// with one axis, biases and norms (BitFit: Ben Zaken et al., arXiv:2106.10199), `dense` for all of
// them. It starts at zero. A tied table that is read twice is changed in both places.
#include <algorithm>
#include <string>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {
namespace {

class Delta : public Behavior {
 public:
  Delta(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : Behavior(phi, identity, config) {
    for (const std::string& name : config.sites) {
      declare(name + ".delta", theta().at(name).shape(), nn::zeros());
    }
  }

  Var parameter(nn::Run& run, const Store& store, std::string_view name,
                Var stored) const override {
    if (&store != &theta()) return stored;
    const auto& sites = config().sites;
    const auto found = std::ranges::find(sites, name);
    if (found == sites.end()) return stored;
    const auto place = static_cast<std::size_t>(found - sites.begin());
    const Var change = read(run, parameters()[place].name);
    return add(stored, change);
  }
};

}  // namespace

BehaviorPointer delta(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Delta>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
