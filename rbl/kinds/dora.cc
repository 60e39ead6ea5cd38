// DoRA: a layer reads m * V / |V| instead of its weight W, with V = W + scaling * A B, |V| the
// norms of V's columns and m [out] their lengths, which start at |W| (Liu et al., arXiv:2402.09353,
// equation 5; no gradient flows through |V|, section 4.3).
//
// What is stored of m is its difference from |W|, so that it starts at zero and the unit changes
// nothing. A column that is zero has no direction and stays zero.
#include "autograd/op_spec.h"
#include "rbl/kinds/low_rank.h"

namespace palinode::rbl::kinds {
namespace {

// The norms, 1 for a zero.
Tensor divisors(const Tensor& norms) {
  return with_float(norms.dtype(), "dora", [&]<class T>() {
    return filled<T>(norms.shape(), [&](std::span<T> out) {
      const std::span<const T> values = norms.values<T>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = values[i] == 0 ? T{1} : values[i];
    });
  });
}

class Dora : public LowRank {
 public:
  Dora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : LowRank(phi, identity, config) {
    for (const Site& site : sites()) declare(magnitude(site), {site.out}, nn::zeros());
  }

  Var parameter(nn::Run& run, const Store& store, std::string_view name,
                Var stored) const override {
    if (&store != &theta()) return stored;
    for (const Site& site : sites()) {
      if (site.weight == name) return weight(run, site, stored);
    }
    return stored;
  }

 private:
  static std::string magnitude(const Site& site) { return site.name + ".lora_magnitude"; }

  Var weight(nn::Run& run, const Site& site, Var stored) const {
    const Var a = read(run, site.a);
    const Var b = read(run, site.b);
    const Var low = scale(matmul(a, b), scaling());
    const Var direction = add(stored, low);
    const Var length = run.tape().constant(divisors(column_norms(direction).value()));
    const Var before = column_norms(stored);
    const Var longer = read(run, magnitude(site));
    const Var wanted = add(before, longer);
    const Var factor = div(wanted, length);
    return mul(direction, factor);
  }
};

}  // namespace

BehaviorPointer dora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config) {
  return std::make_shared<Dora>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
