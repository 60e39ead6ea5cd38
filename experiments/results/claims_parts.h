// The pieces that the claims are judged with, and those claims that rest on exactness and on the
// best rollback there is.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/results/claims.h"

namespace palinode::experiments::claims {

using Groups = std::span<const Group>;
using Curves = std::span<const CurvePoint>;

struct Query {
  std::string_view study = {}, locus = {}, mechanism = {}, rollback = {};

  bool matches(const Row& row) const {
    const auto is = [](std::string_view want, const std::string& have) {
      return want.empty() || want == have;
    };
    return is(study, row.study) && is(locus, row.locus) && is(mechanism, row.mechanism) &&
           is(rollback, row.rollback);
  }
};

std::vector<const Group*> select(Groups groups, const Query& query);
// Curves of a study whose series begins with the words.
std::vector<const CurvePoint*> select(Curves curves, std::string_view study,
                                      std::string_view series, std::string_view quantity);
void set_figure(Claim& claim, const Summary& summary, std::string what, std::string study);
// "RF of R6 200-steps after adam on mlp-64-64-10".
std::string describe(const Group& group);

Claim exact_unload(Groups groups, Curves curves);  // C1
Claim never_recovers(Groups groups);               // C2
Claim no_inverse(Groups groups, Curves curves);    // C8
Claim any_optimizer(Groups groups);                // C11

}  // namespace palinode::experiments::claims
