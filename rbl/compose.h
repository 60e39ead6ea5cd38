// Several behaviors over one identity. Each composition is attached and detached like a single one,
// and none of them touches the others' values.
//
//   stack        attach(attach(model, a), b): b is given what a returns
//   parallel     each is given what the identity returns, and their changes are added, by weight
//   route        each row of a batch, or each sequence, has its own behavior, or none
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "nn/run.h"

namespace palinode::rbl {

using SeamPointer = std::shared_ptr<const nn::Seam>;

struct Share {
  SeamPointer behavior;
  double weight = 1;
};

// Wherever they enter, v + sum of weight * (behavior(v) - v), added in the order given; a weight of
// exactly 1 is no product, and a behavior that leaves v alone no term. Keys, values and rows of
// tokens cannot be weighted: they stand one after the other, and need the weight 1; so do the
// statistics of BatchNorm, which only one of the behaviors may bring for a layer. Throws NameError
// for no shares, a missing behavior, or a weight that is not finite.
SeamPointer parallel(std::vector<Share> shares);

// For each row of a batch, or each sequence of tokens, the place of its behavior, or none.
using Route = std::vector<std::optional<std::size_t>>;
// A rule decides from the batch; it must be a function of the batch alone.
using RouteRule = std::function<Route(const Tensor& batch)>;

// One function of mixed batches. The rows of each behavior go through the model together, and a
// row's result does not depend on the rows beside it, so each has the bits it would have alone.
class Routed : public nn::Model {
 public:
  // The model must outlive it. Throws NameError for a missing behavior.
  Routed(const nn::Model& model, std::vector<SeamPointer> behaviors, RouteRule rule);
  // As the rule, for one batch.
  Routed(const nn::Model& model, std::vector<SeamPointer> behaviors, Route route);

  // Throws ShapeError unless there is a route for each row, NameError for a behavior there is not,
  // and for a run with a cache of keys and values, which knows one function only.
  Var forward(nn::Run& run, Var x) const override;

 private:
  const nn::Model* model_;
  std::vector<SeamPointer> behaviors_;
  RouteRule rule_;
};

}  // namespace palinode::rbl
