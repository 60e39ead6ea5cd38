// LoRA: at each of its sites the layer returns y + (scaling * (x A)) B instead of y, which is one
// op.
//   A [in, rank] starts uniform in (-1/sqrt(in), 1/sqrt(in)), B [rank, out] at zero (Hu et al.,
//   arXiv:2106.09685, section 4.1; the start of A as in PEFT).
#include "rbl/kinds/low_rank.h"

namespace palinode::rbl::kinds {
namespace {

class Lora : public LowRank {
 public:
  using LowRank::LowRank;

  Var at(nn::Run& run, std::string_view name, Var input, Var output) const override {
    const Site* site = find(name);
    if (site == nullptr) return output;
    const Var a = read(run, site->a);
    const Var b = read(run, site->b);
    return low_rank_add(output, input, a, b, scaling());
  }
};

}  // namespace

BehaviorPointer lora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Lora>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
