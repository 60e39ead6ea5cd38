// Bottleneck adapter: what a layer returns goes through y + relu(y D + d) U + u, with D [out,
// width] and U [width, out] (Houlsby et al., arXiv:1902.00751). U and the biases start at zero.
#include <algorithm>
#include <string>
#include <vector>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {
namespace {

class Adapter : public Behavior {
 public:
  Adapter(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : Behavior(phi, identity, config) {
    const auto width = static_cast<std::size_t>(config.settings.at("width"));
    for (const std::string& name : config.sites) {
      const Shape& weight = theta().at(name + ".weight").shape();
      const std::size_t out = weight[weight.rank() - 1];
      const std::string down = name + ".adapter_down", up = name + ".adapter_up";
      sites_.push_back({name, down + ".weight", down + ".bias", up + ".weight", up + ".bias", out});
      declare(sites_.back().down, {out, width}, nn::uniform_fan_in(out), nn::Layout::kLinear);
      declare(sites_.back().down_bias, {width}, nn::zeros());
      declare(sites_.back().up, {width, out}, nn::zeros(), nn::Layout::kLinear);
      declare(sites_.back().up_bias, {out}, nn::zeros());
    }
  }

  Var at(nn::Run& run, std::string_view name, Var, Var output) const override {
    const auto site = std::ranges::find(sites_, name, &Site::name);
    if (site == sites_.end()) return output;
    const Shape shape = output.shape();
    const std::size_t rows = site->out == 0 ? 0 : shape.elements() / site->out;
    const Var x = shape.rank() == 2 ? output : reshape(output, {rows, site->out});
    const Var down = read(run, site->down);
    const Var down_bias = read(run, site->down_bias);
    const Var low = linear(x, down, down_bias, kernels::Activation::kRelu);
    const Var up = read(run, site->up);
    const Var up_bias = read(run, site->up_bias);
    const Var change = linear(low, up, up_bias);
    return add(output, shape.rank() == 2 ? change : reshape(change, shape));
  }

 private:
  struct Site {
    std::string name, down, down_bias, up, up_bias;
    std::size_t out;
  };
  std::vector<Site> sites_;
};

}  // namespace

BehaviorPointer adapter(const Store& phi, const nn::Network& identity,
                        const BehaviorConfig& config) {
  return std::make_shared<Adapter>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
