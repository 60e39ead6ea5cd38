#include "rbl/behavior.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "rbl/kinds/kinds.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

using namespace kinds;

const std::array kKinds = {
    BehaviorKind{"lora", "low rank: y + (alpha / rank) x A B", kLoraSettings, matrices, lora},
    BehaviorKind{"dora", "low rank with the magnitude of each column apart", kDoraSettings,
                 matrices, dora},
    BehaviorKind{"ia3", "a factor for each output of a layer", {}, layers, ia3},
    BehaviorKind{"adapter", "a bottleneck after a layer: y + up(relu(down(y)))", kAdapterSettings,
                 layers, adapter},
    BehaviorKind{"prefix", "keys and values before all others in each attention", kPrefixSettings,
                 attentions, prefix},
    BehaviorKind{"soft-prompt", "rows before the embedded tokens", kPromptSettings, prompts,
                 soft_prompt},
    BehaviorKind{"bias", "a difference for each bias and norm", {}, vectors, delta},
    BehaviorKind{"dense", "a difference for each weight", {}, tensors, delta},
};

void check_setting(std::string_view kind, const Setting& setting, double value) {
  const bool whole = !setting.whole || value == std::trunc(value);
  if (whole && value >= setting.least && value <= setting.most) return;
  throw NameError(fmt::format("{}: {} is {} from {} to {}, got {}", kind, setting.name,
                              setting.whole ? "a whole number" : "a number", setting.least,
                              setting.most, value));
}

}  // namespace

Behavior::Behavior(const Store& phi, const nn::Network& identity, BehaviorConfig config)
    : phi_(&phi), theta_(&identity.store()), config_(std::move(config)) {
  if (phi.role() != Role::kBehavior) {
    throw NameError(fmt::format("{}: phi needs a store with the role behavior, {} has the role {}",
                                config_.kind, phi.name(), role_name(phi.role())));
  }
  if (theta_->entries().empty()) {
    throw NameError(fmt::format("{}: {} holds no parameters yet", config_.kind, theta_->name()));
  }
  dtype_ = theta_->entries().front().value.dtype();
}

void Behavior::declare(std::string name, const Shape& shape, nn::Init init, nn::Layout layout) {
  parameters_.push_back({phi_, std::move(name), shape, init, layout});
}

std::size_t Behavior::elements() const {
  std::size_t total = 0;
  for (const nn::Parameter& each : parameters_) total += each.shape.elements();
  return total;
}

Proposal Behavior::init(const Rng& rng) const {
  Proposal proposal{.reason = Reason::kInit, .proposer = kind(), .seed = rng.seed()};
  nn::add_initial(proposal, parameters_, rng, dtype_);
  return proposal;
}

Sha256Digest Behavior::key() const {
  Sha256 sha;
  sha.add(kind()).add(std::uint64_t{0});
  for (const auto& [name, value] : config_.settings) {
    sha.add(name).add(std::uint64_t{0}).add(std::bit_cast<std::uint64_t>(value));
  }
  for (const std::string& site : config_.sites) sha.add(site).add(std::uint64_t{0});
  return sha.add(content_key(*phi_)).finish();
}

std::span<const BehaviorKind> behavior_kinds() { return kKinds; }

const BehaviorKind& find_kind(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &BehaviorKind::name);
  if (found != kKinds.end()) return *found;
  std::vector<std::string_view> names;
  for (const BehaviorKind& kind : kKinds) names.push_back(kind.name);
  throw NameError(
      fmt::format("behavior: no kind named {}; there are {}", name, fmt::join(names, ", ")));
}

BehaviorPointer make_behavior(const Store& phi, const nn::Network& identity,
                              BehaviorConfig config) {
  const BehaviorKind& kind = find_kind(config.kind);
  for (const auto& [name, value] : config.settings) {
    const auto found = std::ranges::find(kind.settings, name, &Setting::name);
    if (found == kind.settings.end()) {
      throw NameError(fmt::format("{}: there is no setting {}", kind.name, name));
    }
    check_setting(kind.name, *found, value);
  }
  for (const Setting& setting : kind.settings) {
    config.settings.emplace(setting.name, setting.usual);
  }
  const std::vector<std::string> possible = kind.sites(identity);
  if (possible.empty()) {
    throw NameError(fmt::format("{}: this {} has no site for it", kind.name, identity.kind()));
  }
  std::set<std::string_view> seen;
  for (const std::string& site : config.sites) {
    if (std::ranges::find(possible, site) == possible.end()) {
      throw NameError(fmt::format("{}: no site named {}; there are {}", kind.name, site,
                                  fmt::join(possible, ", ")));
    }
    if (!seen.insert(site).second) {
      throw NameError(fmt::format("{}: the site {} is named twice", kind.name, site));
    }
  }
  if (config.sites.empty()) config.sites = possible;
  return kind.make(phi, identity, config);
}

}  // namespace palinode::rbl
