// Prefix: in each of its attentions every query sees `length` keys and values more, before all
// others (Li and Liang, arXiv:2101.00190; without their reparametrization). They have no position:
// tokens keep theirs, and rope does not turn them. They start as GPT-2's weights do.
#include <algorithm>
#include <string>
#include <vector>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {
namespace {

class Prefix : public Behavior {
 public:
  Prefix(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : Behavior(phi, identity, config) {
    const auto length = static_cast<std::size_t>(config.settings.at("length"));
    for (const nn::AttentionSite& attention : identity.attentions()) {
      if (std::ranges::find(config.sites, attention.name) == config.sites.end()) continue;
      const std::string& name = attention.name;
      sites_.push_back({name, name + ".prefix_keys", name + ".prefix_values"});
      declare(sites_.back().keys, {length, attention.width}, nn::gpt2());
      declare(sites_.back().values, {length, attention.width}, nn::gpt2());
    }
  }

  std::optional<nn::Prefix> prefix(nn::Run& run, std::string_view name) const override {
    const auto site = std::ranges::find(sites_, name, &Site::name);
    if (site == sites_.end()) return std::nullopt;
    const Var keys = read(run, site->keys);
    const Var values = read(run, site->values);
    return nn::Prefix{keys, values};
  }

 private:
  struct Site {
    std::string name, keys, values;
  };
  std::vector<Site> sites_;
};

}  // namespace

BehaviorPointer prefix(const Store& phi, const nn::Network& identity,
                       const BehaviorConfig& config) {
  return std::make_shared<Prefix>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
