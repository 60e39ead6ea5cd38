// LoRA: at each of its sites the layer returns y + (scaling * (x A)) B instead of y. Scaling the
// narrow factor saves a pass over the output.
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
    const Var low = scale(matmul(input, a), scaling());
    const Var b = read(run, site->b);
    const Var change = matmul(low, b);
    return add(output, change);
  }
};

}  // namespace

BehaviorPointer lora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Lora>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
