// What LoRA and DoRA share: two factors A [in, rank] and B [rank, out] at each linear layer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {

class LowRank : public Behavior {
 public:
  LowRank(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);

  struct Site {
    std::string name, weight, a, b;  // the layer, its weight in theta, and the factors in phi
    std::size_t in, out;
  };
  // None if it is not one of its sites.
  const Site* find(std::string_view name) const;
  const std::vector<Site>& sites() const { return sites_; }
  // Of A B: alpha / rank, or alpha / sqrt(rank).
  double scaling() const { return scaling_; }

 private:
  std::vector<Site> sites_;
  double scaling_;
};

// The norms [1, out] of the columns of a matrix.
Var column_norms(Var matrix);

}  // namespace palinode::rbl::kinds
