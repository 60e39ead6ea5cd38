// LoRA: at each of its sites the layer returns y + (scaling * (x A)) B instead of y. A linear layer
// adds that in its own product where no other unit comes before.
//   A [in, rank] starts uniform in (-1/sqrt(in), 1/sqrt(in)), B [rank, out] at zero (Hu et al.,
//   arXiv:2106.09685, section 4.1; the start of A as in PEFT).
#include "rbl/kinds/low_rank.h"

namespace palinode::rbl::kinds {
namespace {

class Lora : public LowRank {
 public:
  using LowRank::LowRank;

  std::optional<nn::LowRankChange> low_rank(nn::Run& run, std::string_view name) const override {
    const Site* site = find(name);
    if (site == nullptr) return std::nullopt;
    const Var a = read(run, site->a);
    const Var b = read(run, site->b);
    return nn::LowRankChange{a, b, scaling()};
  }
  Var at(nn::Run& run, std::string_view name, Var input, Var output) const override {
    const auto change = low_rank(run, name);
    return change ? low_rank_add(output, input, change->a, change->b, change->factor) : output;
  }
};

}  // namespace

BehaviorPointer lora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Lora>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
