#include "rbl/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::rbl {
namespace {

class Parallel : public nn::Seam {
 public:
  explicit Parallel(std::vector<Share> shares) : shares_(std::move(shares)) {}

  Var parameter(nn::Run& run, const Store& store, std::string_view name,
                Var stored) const override {
    return summed(stored,
                  [&](const nn::Seam& seam) { return seam.parameter(run, store, name, stored); });
  }
  Var before(nn::Run& run, std::string_view site, Var input) const override {
    return summed(input, [&](const nn::Seam& seam) { return seam.before(run, site, input); });
  }
  Var at(nn::Run& run, std::string_view site, Var input, Var output) const override {
    return summed(output, [&](const nn::Seam& seam) { return seam.at(run, site, input, output); });
  }

  std::optional<nn::Prefix> prefix(nn::Run& run, std::string_view site) const override {
    std::optional<nn::Prefix> all;
    for (const Share& share : shares_) {
      const std::optional<nn::Prefix> more = share.behavior->prefix(run, site);
      if (!more) continue;
      check_whole(share, "a prefix");
      if (!all) {
        all = more;
        continue;
      }
      const Var keys = concat({all->keys, more->keys}, 0);
      const Var values = concat({all->values, more->values}, 0);
      all = nn::Prefix{keys, values};
    }
    return all;
  }
  std::optional<Var> prompt(nn::Run& run) const override {
    std::optional<Var> all;
    for (const Share& share : shares_) {
      const std::optional<Var> more = share.behavior->prompt(run);
      if (!more) continue;
      check_whole(share, "a prompt");
      all = all ? concat({*all, *more}, 0) : *more;
    }
    return all;
  }

  const Store* buffers(std::string_view site) const override {
    const Store* found = nullptr;
    for (const Share& share : shares_) {
      const Store* const more = share.behavior->buffers(site);
      if (more == nullptr) continue;
      check_whole(share, "statistics");
      if (found != nullptr) {
        throw NameError(fmt::format("parallel: two behaviors bring statistics for {}", site));
      }
      found = more;
    }
    return found;
  }

  Sha256Digest key() const override {
    Sha256 sha;
    sha.add("parallel").add(std::uint64_t{shares_.size()});
    for (const Share& share : shares_) {
      sha.add(std::bit_cast<std::uint64_t>(share.weight)).add(share.behavior->key());
    }
    return sha.finish();
  }

 private:
  static void check_whole(const Share& share, std::string_view what) {
    if (share.weight == 1) return;
    throw NameError(fmt::format("parallel: {} cannot be weighted, got {}", what, share.weight));
  }

  template <class Enter>
  Var summed(Var plain, const Enter& enter) const {
    Var sum = plain;
    for (const Share& share : shares_) {
      const Var value = enter(*share.behavior);
      if (value.node() == plain.node()) continue;
      const Var change = sub(value, plain);
      sum = add(sum, share.weight == 1 ? change : scale(change, share.weight));
    }
    return sum;
  }

  std::vector<Share> shares_;
};

Tensor indices(std::span<const std::int32_t> values) {
  return Tensor::from(values, {values.size()});
}

// Some rows of x, along its first axis.
Var rows_of(Var x, const Tensor& places) {
  const Shape& shape = x.shape();
  if (x.value().dtype() == Dtype::kI32) return x.tape().constant(take(x.value(), places));
  const std::size_t rows = shape[0];
  const Var flat = reshape(x, {rows, rows == 0 ? 0 : shape.elements() / rows});
  const Var taken = embedding(flat, places);
  std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
  extents[0] = places.elements();
  return reshape(taken, Shape(extents));
}

Var joined(std::vector<Var> parts) {
  while (parts.size() > 1) {
    std::vector<Var> fewer;
    for (std::size_t i = 0; i < parts.size(); i += kMaxArity) {
      const std::size_t n = std::min(kMaxArity, parts.size() - i);
      fewer.push_back(n == 1 ? parts[i] : concat(std::span(parts).subspan(i, n), 0));
    }
    parts = std::move(fewer);
  }
  return parts.front();
}

}  // namespace

SeamPointer parallel(std::vector<Share> shares) {
  if (shares.empty()) throw NameError("parallel: there are no behaviors");
  for (const Share& share : shares) {
    if (share.behavior == nullptr) throw NameError("parallel: a behavior is missing");
    if (std::isfinite(share.weight)) continue;
    throw NameError(fmt::format("parallel: a weight is a number, got {}", share.weight));
  }
  return std::make_shared<Parallel>(std::move(shares));
}

Routed::Routed(const nn::Model& model, std::vector<SeamPointer> behaviors, RouteRule rule)
    : model_(&model), behaviors_(std::move(behaviors)), rule_(std::move(rule)) {
  for (const SeamPointer& behavior : behaviors_) {
    if (behavior == nullptr) throw NameError("route: a behavior is missing");
  }
}

Routed::Routed(const nn::Model& model, std::vector<SeamPointer> behaviors, Route route)
    : Routed(model, std::move(behaviors),
             RouteRule([route = std::move(route)](const Tensor&) { return route; })) {}

Var Routed::forward(nn::Run& run, Var x) const {
  if (run.cache() != nullptr) {
    throw NameError("route: a cache of keys and values knows one function only");
  }
  const Route route = rule_(x.value());
  const std::size_t rows = x.shape().rank() == 0 ? 0 : x.shape()[0];
  if (route.size() != rows || rows == 0) {
    throw ShapeError(fmt::format("route: {} places for a batch of {}", route.size(), rows));
  }
  std::map<std::optional<std::size_t>, std::vector<std::int32_t>> groups;  // none first
  for (std::size_t row = 0; row < rows; ++row) {
    if (route[row] && *route[row] >= behaviors_.size()) {
      throw NameError(fmt::format("route: row {} names behavior {}, there are {}", row, *route[row],
                                  behaviors_.size()));
    }
    groups[route[row]].push_back(static_cast<std::int32_t>(row));
  }
  const auto pass = [&](std::optional<std::size_t> behavior, Var part) {
    if (!behavior) return model_->forward(run, part);
    nn::Run inner(run, *behaviors_[*behavior]);
    return model_->forward(inner, part);
  };
  if (groups.size() == 1) return pass(groups.begin()->first, x);
  std::vector<Var> parts;
  std::vector<std::int32_t> place(rows);  // of a row's result among the parts
  std::int32_t next = 0;
  for (const auto& [behavior, members] : groups) {
    const Var part = rows_of(x, indices(members));
    parts.push_back(pass(behavior, part));
    for (const std::int32_t row : members) place[static_cast<std::size_t>(row)] = next++;
  }
  const Var all = joined(std::move(parts));
  // A sequence has a row for each token.
  const auto each = static_cast<std::int32_t>(all.shape()[0] / rows);
  std::vector<std::int32_t> order;
  for (const std::int32_t at : place) {
    for (std::int32_t t = 0; t < each; ++t) order.push_back(at * each + t);
  }
  return rows_of(all, indices(order));
}

}  // namespace palinode::rbl
