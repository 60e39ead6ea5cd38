#include "experiments/results/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "rbl/rollback/info.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

constexpr double kLn10 = 0x1.26bb1bbb55516p+1;

void log_in_place(std::vector<double>& x) {
  kernels::log(std::span<const double>(x), std::span<double>(x));
}

bool fits(std::string_view want, std::string_view have) { return want.empty() || want == have; }

// The first three, and how many more there are.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    text.append(i == 0 ? "" : "; ").append(names[i]);
  }
  return names.size() <= kMost ? text : text + fmt::format("; and {} more", names.size() - kMost);
}

template <class Combine>
std::vector<double> paired(const CurvePoint& a, const CurvePoint& b, Combine combine) {
  std::map<std::uint64_t, double> others;
  for (const Point* point : b.points) others[point->seed] = point->value;
  std::vector<double> found;
  for (const Point* point : a.points) {
    const auto other = others.find(point->seed);
    if (other != others.end()) found.push_back(combine(point->value, other->second));
  }
  return found;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kOpen:
      return "open";
  }
  PALINODE_ASSERT(false);
}

std::string count_text(const Judgement& judgement) {
  return judgement.of == 0
             ? ""
             : fmt::format("{} of {} {}", judgement.holds, judgement.of, judgement.cases);
}

nlohmann::ordered_json judgement_json(const Judgement& judgement) {
  return {{"study", judgement.study},
          {"statement", judgement.statement},
          {"verdict", verdict_name(judgement.verdict)},
          {"holds", judgement.holds},
          {"of", judgement.of},
          {"cases", judgement.cases},
          {"detail", judgement.detail}};
}

void Tally::add(Case found, std::string_view name, std::string_view figure) {
  auto& names = found == Case::kHolds ? held_ : found == Case::kFails ? failed_ : undecided_;
  names.push_back(fmt::format("{}: {}", name, figure));
}

Judgement Tally::judgement() const {
  const std::size_t of = held_.size() + failed_.size() + undecided_.size();
  if (of == 0) return open_for(statement_, "this run has no such " + cases_);
  Judgement made{.statement = statement_, .holds = held_.size(), .of = of, .cases = cases_};
  const bool all_hold = held_.size() == of, all_fail = failed_.size() == of;
  const bool supported = over_ == Over::kSome ? !held_.empty() : all_hold;
  const bool refuted = over_ == Over::kEvery ? !failed_.empty() : all_fail;
  made.verdict = supported ? Verdict::kSupported : refuted ? Verdict::kRefuted : Verdict::kOpen;
  if (supported && (of == 1 || over_ == Over::kSome)) {
    made.detail = "holds for " + some_of(held_);
    return made;
  }
  if (!failed_.empty()) made.detail = "not for " + some_of(failed_);
  if (!undecided_.empty()) {
    made.detail +=
        fmt::format("{}undecided for {}", failed_.empty() ? "" : "; ", some_of(undecided_));
  }
  return made;
}

Judgement open_for(std::string statement, std::string reason) {
  return {.statement = std::move(statement), .detail = std::move(reason)};
}

Case below(const Summary& summary, double bound) {
  if (summary.hi < bound) return Case::kHolds;
  return summary.lo > bound ? Case::kFails : Case::kUndecided;
}

Case above(const Summary& summary, double bound) {
  if (summary.lo > bound) return Case::kHolds;
  return summary.hi < bound ? Case::kFails : Case::kUndecided;
}

Case within(const Summary& summary, double reach) {
  if (summary.lo >= -reach && summary.hi <= reach) return Case::kHolds;
  return summary.lo > reach || summary.hi < -reach ? Case::kFails : Case::kUndecided;
}

std::string interval_of(const Summary& summary) {
  if (summary.lo == summary.hi) return fmt::format("{:.4g}", summary.mean);
  return fmt::format("{:.4g} [{:.4g}, {:.4g}]", summary.mean, summary.lo, summary.hi);
}

CurveList curves_like(std::span<const CurvePoint> curves, std::string_view study,
                      std::string_view series, std::string_view quantity) {
  CurveList found;
  for (const CurvePoint& curve : curves) {
    const Point& p = curve.first();
    if (p.study == study && p.series.starts_with(series) && fits(quantity, p.quantity)) {
      found.push_back(&curve);
    }
  }
  return found;
}

GroupList groups_like(std::span<const Group> groups, std::string_view study, std::string_view locus,
                      std::string_view mechanism, std::string_view rollback) {
  GroupList found;
  for (const Group& group : groups) {
    const Row& row = group.first();
    if (row.study == study && fits(locus, row.locus) && fits(mechanism, row.mechanism) &&
        fits(rollback, row.rollback)) {
      found.push_back(&group);
    }
  }
  return found;
}

const CurvePoint* beside(std::span<const CurvePoint> curves, const CurvePoint& curve,
                         std::string_view series, std::string_view quantity,
                         std::optional<double> at) {
  const Point& p = curve.first();
  const double place = at.value_or(p.at);
  for (const CurvePoint& other : curves) {
    const Point& o = other.first();
    if (o.study == p.study && o.model == p.model && o.data == p.data && o.series == series &&
        o.quantity == quantity && o.at == place) {
      return &other;
    }
  }
  return nullptr;
}

double value_on(const CurvePoint* curve, std::uint64_t seed) {
  if (curve != nullptr) {
    for (const Point* point : curve->points) {
      if (point->seed == seed) return point->value;
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> paired_differences(const CurvePoint& a, const CurvePoint& b) {
  return paired(a, b, [](double x, double y) { return x - y; });
}

std::vector<double> paired_log_ratios(const CurvePoint& a, const CurvePoint& b) {
  std::vector<double> ratios = paired(a, b, [](double x, double y) { return x / y; });
  log_in_place(ratios);
  return ratios;
}

std::vector<double> slopes_by_seed(const CurveList& sizes) {
  struct Line {
    std::vector<double> x, y;
  };
  std::map<std::uint64_t, Line> by_seed;
  for (const CurvePoint* size : sizes) {
    std::vector<double> log_size = {size->first().at};
    log_in_place(log_size);
    for (const Point* point : size->points) {
      Line& line = by_seed[point->seed];
      line.x.push_back(log_size.front() / kLn10);
      line.y.push_back(point->value);
    }
  }
  std::vector<double> slopes;
  for (const auto& [seed, line] : by_seed) {
    if (line.x.size() == sizes.size()) slopes.push_back(slope(line.x, line.y));
  }
  return slopes;
}

bool is_without_snapshot(const Row& row) {
  const rbl::ArmInfo& arm = rbl::arm_info(row.rollback);
  return arm.undoes && !arm.needs.contains(rbl::Need::kTheta) &&
         !arm.needs.contains(rbl::Need::kJournal);
}

bool is_exact(const Row& row) {
  return row.words_changed == 0 && row.theta_fingerprint_after == row.theta_fingerprint_before &&
         row.logits_bit_equal && row.kl_rec == 0 && row.js_rec == 0;
}

void add_exact(Tally& tally, const GroupList& groups) {
  for (const Group* group : groups) {
    for (const Row* row : group->rows) {
      tally.add(is_exact(*row), run_name(*row),
                fmt::format("{} words changed, KL {:.3g}", row->words_changed, row->kl_rec));
    }
  }
}

void add_rf_zero(Tally& tally, const GroupList& groups) {
  GroupList tried;
  for (const Group* group : groups) {
    if (is_without_snapshot(group->first()) && group->rf) tried.push_back(group);
  }
  std::ranges::stable_sort(tried, std::greater(), [](const Group* g) { return g->rf->lo; });
  for (const Group* group : tried) {
    const Row& row = group->first();
    const Summary& rf = *group->rf;
    const Case found = rf.lo > 0                  ? Case::kFails
                       : rf.lo == 0 && rf.hi == 0 ? Case::kHolds
                                                  : Case::kUndecided;
    const std::string_view space = row.variant.empty() ? "" : " ";
    tally.add(
        found,
        fmt::format("{}{}{} after {}{} on {}", row.rollback, space, row.variant, row.mechanism,
                    row.alpha ? fmt::format(" {:g}", *row.alpha) : "", row.model),
        "RF " + interval_of(rf));
  }
}

void add_equal(Tally& tally, const CurveList& curves, double value) {
  for (const CurvePoint* curve : curves) {
    for (const Point* p : curve->points) {
      tally.add(p->value == value, run_name(*p), fmt::format("{:.4g}", p->value));
    }
  }
}

std::string run_name(const Row& row) {
  const std::string_view space = row.variant.empty() ? "" : " ";
  return fmt::format("{}{}{} on {}, seed {}", row.mechanism, space, row.variant, row.model,
                     row.seed);
}

std::string run_name(const Point& point) {
  const std::string at =
      point.variable.empty() ? "" : fmt::format("{} {:g}, ", point.variable, point.at);
  return fmt::format("{} on {}, {}seed {}", point.series, point.model, at, point.seed);
}

}  // namespace palinode::experiments
