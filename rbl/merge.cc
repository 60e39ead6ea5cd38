#include "rbl/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "autograd/op_linalg.h"
#include "rbl/rollback/values.h"
#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"

namespace palinode::rbl {
namespace {

constexpr std::string_view kA = ".lora_A", kB = ".lora_B";

// scaling * (a b), the product rounded and then the multiple.
Tensor delta_of(const LowRank& part, const Tensor& weight) {
  const Shape &w = weight.shape(), &a = part.a.shape(), &b = part.b.shape();
  require_same_dtype("merge", {{weight, part.a, part.b}});
  if (w.rank() != 2 || a.rank() != 2 || b.rank() != 2 || a[1] != b[0] || w != Shape{a[0], b[1]}) {
    throw_shapes("merge", part.weight + " [in, out] needs a [in, r] and b [r, out]",
                 {{weight, part.a, part.b}});
  }
  const Tensor low = product(part.a, part.b);
  return with_float(low.dtype(), "merge", [&]<class T>() {
    return filled<T>(low.shape(), [&](std::span<T> out) {
      kernels::scale<T>(low.values<T>(), static_cast<T>(part.scaling), out);
    });
  });
}

template <class F>
Proposal change(const Store& theta, const LowRankDelta& delta, Reason reason, const F& value) {
  Proposal proposal{.reason = reason, .proposer = "merge"};
  for (const LowRank& part : delta) {
    const Tensor& weight = theta.at(part.weight);
    const Tensor d = delta_of(part, weight);
    proposal.writes.push_back({&theta, PoolString(part.weight), value(weight, d)});
  }
  return proposal;
}

std::string mark_of(const LowRankDelta& delta) {
  Sha256 sha;
  for (const LowRank& part : delta) {
    sha.add(leaf_digest(part.weight + ".a", part.a));
    sha.add(leaf_digest(part.weight + ".b", part.b));
    sha.add(std::bit_cast<std::uint64_t>(part.scaling));
  }
  return "merged/" + hex(sha.finish());
}

}  // namespace

LowRankDelta low_rank_of(const Store& phi, double scaling) {
  LowRankDelta delta;
  for (const Entry& entry : phi.entries()) {
    if (!entry.name.ends_with(kA)) continue;
    const std::string site = entry.name.substr(0, entry.name.size() - kA.size());
    delta.push_back({site + ".weight", entry.value, phi.at(site + std::string(kB)), scaling});
  }
  return delta;
}

std::uint64_t bytes_of(const LowRankDelta& delta) {
  std::uint64_t bytes = 0;
  for (const LowRank& part : delta) bytes += part.a.bytes() + part.b.bytes();
  return bytes;
}

Proposal add_low_rank(const Store& theta, const LowRankDelta& delta, const MergeConfig& config) {
  return change(theta, delta, Reason::kMerge, [&](const Tensor& w, const Tensor& d) {
    const Tensor added = config.rounding == Rounding::kAsPeft ? d : stored(d, config.storage);
    return stored(zip(w, added, [](auto x, auto y) { return x + y; }), config.storage);
  });
}

Proposal subtract_low_rank(const Store& theta, const LowRankDelta& delta,
                           const MergeConfig& config) {
  return change(theta, delta, Reason::kSubtract, [&](const Tensor& w, const Tensor& d) {
    return stored(zip(w, stored(d, config.storage), kMinus), config.storage);
  });
}

Merges::Merges(const Store& theta, const Store& marks, const Config& config)
    : theta_(&theta), marks_(&marks), config_(config) {
  if (marks.role() != Role::kBuffer) {
    throw NameError(
        fmt::format("merge: the marks need a store with the role buffer, {} has the role {}",
                    marks.name(), role_name(marks.role())));
  }
  const bool lossy = config.merge.storage != Storage::kFull;
  if (lossy && config.undo == Undo::kSubtract && !config.accept_loss) {
    throw Error(fmt::format(
        "merge: {} storage cannot give the weights of {} back by subtracting; keep the words, or "
        "accept the loss",
        storage_name(config.merge.storage), theta.name()));
  }
}

std::int32_t Merges::place(const std::string& mark) const {
  return marks_->contains(mark) ? static_cast<std::int32_t>(marks_->at(mark).item()) : 0;
}

std::int32_t Merges::last() const {
  std::int32_t last = 0;
  for (const Entry& entry : marks_->entries()) last = std::max(last, place(entry.name));
  return last;
}

Write Merges::mark(const std::string& name, std::int32_t place) const {
  return {marks_, PoolString(name), Tensor::full<std::int32_t>({}, place), !marks_->contains(name)};
}

bool Merges::merged(const LowRankDelta& delta) const { return place(mark_of(delta)) > 0; }

Proposal Merges::merge(const LowRankDelta& delta) {
  const std::string name = mark_of(delta);
  if (place(name) > 0) {
    throw Error(fmt::format("merge: this behavior is merged into {} already", theta_->name()));
  }
  Proposal proposal = add_low_rank(*theta_, delta, config_.merge);
  if (config_.undo == Undo::kKeep) {
    std::vector<Entry>& kept = kept_[name];
    kept.clear();
    for (const LowRank& part : delta) kept.push_back({part.weight, theta_->at(part.weight)});
  }
  proposal.writes.push_back(mark(name, last() + 1));
  return proposal;
}

Proposal Merges::unmerge(const LowRankDelta& delta) const {
  const std::string name = mark_of(delta);
  if (place(name) == 0) {
    throw Error(
        fmt::format("unmerge: this behavior, as it is now, is not merged into {}", theta_->name()));
  }
  if (config_.undo == Undo::kSubtract) {
    Proposal proposal = subtract_low_rank(*theta_, delta, config_.merge);
    proposal.writes.push_back(mark(name, 0));
    return proposal;
  }
  if (place(name) != last()) {
    throw Error(fmt::format(
        "unmerge: kept words come back last merge first; this is merge {} of {} into {}",
        place(name), last(), theta_->name()));
  }
  const auto kept = kept_.find(name);
  if (kept == kept_.end()) {
    throw Error(fmt::format("unmerge: the words of {} before this merge were kept elsewhere",
                            theta_->name()));
  }
  Proposal proposal{.reason = Reason::kRestore, .proposer = "merge"};
  for (const Entry& entry : kept->second) {
    proposal.writes.push_back({theta_, PoolString(entry.name), entry.value});
  }
  proposal.writes.push_back(mark(name, 0));
  return proposal;
}

std::uint64_t Merges::bytes_kept() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, kept] : kept_) {
    if (place(name) == 0) continue;
    for (const Entry& entry : kept) bytes += entry.value.bytes();
  }
  return bytes;
}

}  // namespace palinode::rbl
