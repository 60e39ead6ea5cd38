// (IA)^3: a factor for each output of a layer, 1 at first (Liu et al., arXiv:2205.05638, section
// 3.3). Of an attention's packed queries, keys and values only keys and values have factors; a
// layer that ends a feed-forward, `down`, has them for its inputs.
#include <algorithm>
#include <string>
#include <vector>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {
namespace {

class Ia3 : public Behavior {
 public:
  Ia3(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : Behavior(phi, identity, config) {
    for (const std::string& name : config.sites) {
      const Shape& weight = theta().at(name + ".weight").shape();
      const std::size_t rank = weight.rank();
      Site site{name, name + ".ia3", name.ends_with(".down"), 0};
      std::size_t factors = weight[rank - (site.inputs ? 2 : 1)];
      for (const nn::AttentionSite& attention : identity.attentions()) {
        if (name != attention.name + ".qkv") continue;
        site.plain = factors - 2 * attention.width;
        factors -= site.plain;
      }
      declare(site.factors, {factors}, nn::ones());
      sites_.push_back(std::move(site));
    }
  }

  Var before(nn::Run& run, std::string_view name, Var input) const override {
    const Site* site = find(name);
    return site != nullptr && site->inputs ? scaled(run, *site, input) : input;
  }
  Var at(nn::Run& run, std::string_view name, Var, Var output) const override {
    const Site* site = find(name);
    return site != nullptr && !site->inputs ? scaled(run, *site, output) : output;
  }

 private:
  struct Site {
    std::string name, factors;
    bool inputs;        // its factors are those of its inputs
    std::size_t plain;  // columns before the first that has a factor
  };

  const Site* find(std::string_view name) const {
    const auto found = std::ranges::find(sites_, name, &Site::name);
    return found == sites_.end() ? nullptr : &*found;
  }

  Var scaled(nn::Run& run, const Site& site, Var x) const {
    Var factors = read(run, site.factors);
    if (site.plain > 0) {
      const Tensor one = dtype() == Dtype::kF64 ? Tensor::full<double>({site.plain}, 1)
                                                : Tensor::full<float>({site.plain}, 1);
      const Var first = run.tape().constant(one);
      factors = concat({first, factors}, 0);
    }
    return mul(x, factors);
  }

  std::vector<Site> sites_;
};

}  // namespace

BehaviorPointer ia3(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Ia3>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
