#include "rbl/norm_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

constexpr std::string_view kMean = ".running_mean", kVar = ".running_var";

std::array<std::string, 2> names_of(const std::string& site) {
  return {site + std::string(kMean), site + std::string(kVar)};
}

}  // namespace

NormStatistics::NormStatistics(const Store& own, const Store& identity,
                               std::vector<std::string> sites)
    : own_(&own), identity_(&identity), sites_(std::move(sites)) {
  if (own.role() != Role::kBuffer || &own == &identity) {
    throw NameError(fmt::format(
        "norm statistics: they need a store of their own with the role buffer, not {} with the "
        "role {}",
        own.name(), role_name(own.role())));
  }
  for (const std::string& site : sites_) {
    for (const std::string& name : names_of(site)) static_cast<void>(identity.at(name));
  }
}

Proposal NormStatistics::init() const {
  Proposal proposal{.reason = Reason::kInit, .proposer = "norm-statistics"};
  for (const std::string& site : sites_) {
    for (const std::string& name : names_of(site)) {
      proposal.writes.push_back({own_, name, identity_->at(name), true});
    }
  }
  return proposal;
}

const Store* NormStatistics::buffers(std::string_view site) const {
  return std::ranges::find(sites_, site) == sites_.end() ? nullptr : own_;
}

Sha256Digest NormStatistics::key() const {
  Sha256 sha;
  sha.add("norm statistics").add(std::uint64_t{sites_.size()});
  for (const std::string& site : sites_) sha.add(site).add(std::uint64_t{0});
  return sha.add(content_key(*own_)).finish();
}

std::vector<std::string> norm_sites(const Store& buffers) {
  std::vector<std::string> sites;
  for (const Entry& entry : buffers.entries()) {
    if (!entry.name.ends_with(kMean)) continue;
    sites.push_back(entry.name.substr(0, entry.name.size() - kMean.size()));
  }
  return sites;
}

}  // namespace palinode::rbl
