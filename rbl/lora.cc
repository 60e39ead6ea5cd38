#include "rbl/lora.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "tensor/error.h"

namespace palinode::rbl {

Lora::Lora(const Store& phi, const Store& theta, const LoraConfig& config)
    : phi_(&phi),
      rank_(config.rank),
      scaling_(config.alpha / static_cast<double>(std::max<std::size_t>(config.rank, 1))) {
  if (phi.role() != Role::kBehavior) {
    throw NameError(
        fmt::format("lora: phi needs a store with the role behavior, {} has the role {}",
                    phi.name(), role_name(phi.role())));
  }
  if (config.rank == 0) throw ShapeError("lora: the rank is at least 1, got 0");
  for (const std::string& site : config.sites) {
    const Tensor& weight = theta.at(site + ".weight");
    if (weight.shape().rank() != 2) {
      throw ShapeError(fmt::format("lora: {}.weight is {}, not a matrix", site, weight.describe()));
    }
    dtype_ = weight.dtype();
    sites_.push_back(
        {site, site + ".lora_A", site + ".lora_B", weight.shape()[0], weight.shape()[1]});
  }
}

Proposal Lora::init(const Rng& rng) const {
  Proposal proposal{.reason = Reason::kInit, .proposer = "lora", .seed = rng.seed()};
  for (const Site& site : sites_) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(site.in));
    const Tensor a = rng.stream(site.a).uniform({site.in, rank_}, dtype_, -bound, bound);
    proposal.writes.push_back({phi_, site.a, a, true});
    proposal.writes.push_back({phi_, site.b, Tensor::zeros({rank_, site.out}, dtype_), true});
  }
  return proposal;
}

Var Lora::at(nn::Run& run, std::string_view name, Var input, Var output) const {
  for (const Site& site : sites_) {
    if (site.name != name) continue;
    const Var a = run.parameter(*phi_, site.a);
    const Var low = matmul(input, a);
    const Var b = run.parameter(*phi_, site.b);
    const Var change = scale(matmul(low, b), scaling_);
    return add(output, change);
  }
  return output;
}

Sha256Digest Lora::key() const {
  Sha256 sha;
  sha.add("lora").add(std::uint64_t{rank_}).add(std::bit_cast<std::uint64_t>(scaling_));
  for (const Site& site : sites_) sha.add(site.name).add(std::uint64_t{0});
  return sha.add(content_key(*phi_)).finish();
}

}  // namespace palinode::rbl
