// E2: elimination. LoRA trained by Adam over a grid of rates and steps, then a growing share eps of
// it set to zero by three rules: the smallest magnitudes of A and B together ("global"), those of
// each tensor by itself ("per tensor"), and whole rank-1 components, smallest norm first ("rank").
//
// Paper: figure and table "elimination sweep", where KL is 0 from eps = 0.6 on. Two of the table's
// rows are averages over two adapters and three are another experiment's (mutation intensities);
// here a curve holds one adapter and one rule, and what is swept is eps alone. Its JS column has
// values above ln 2, which no JS has; JS is measured here beside KL.
//
// The threshold the global rule should have. The change of a layer is A B, with n_A and n_B
// elements over all layers, f_A and f_B their shares of n = n_A + n_B. B starts at zero, and a step
// of Adam moves an element by at most about its rate, so after steps of the rates lr_t every |b| <=
// S = sum(lr_t). A starts uniform in (-a, a) with a = 1/sqrt(d_in) (rbl/kinds/lora.cc), so of a
// layer's A a share min(1, S/a) lies below S. Pruning takes the smallest first: once it has taken
// all below S, all of B is gone, every A B is exactly 0, and so is KL, though most of A is still
// there:
//   eps* = f_B + sum over layers i of f_A,i min(1, S/a_i)
// S is an estimate: elements whose gradient keeps its sign come near it, others stay below, and A
// moves as well. "dead" is the same count with the trained values: the share of elements that are
// no larger than the largest |b|.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/targets.h"
#include "rbl/mutate.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"rates", "Adam's, ascending", Numbers{2e-4, 1e-3, 4e-3},
                    Numbers{1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 4e-3, 1e-2, 2e-2}},
                   {"steps", "of Adam", Numbers{100}, Numbers{30, 100, 300}},
                   {"intervals", "eps goes from 0 to 1 in so many", 20.0, 20.0}});

constexpr std::string_view kA = ".lora_A", kB = ".lora_B";

std::span<const float> values_of(const Entry& entry) { return entry.value.values<float>(); }

double norm_of(const Tensor& t, std::size_t first, std::size_t stride, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = t.values<float>()[first + i * stride];
    sum = sum + x * x;
  }
  return std::sqrt(sum);
}

// A column of A and the row of B it goes with.
struct Component {
  std::size_t a, b, rank;  // places among the entries, and which column
  double norm;             // of the product, which has rank 1
};

std::vector<Component> components_of(const rbl::NamedValues& phi) {
  std::vector<Component> all;
  for (std::size_t a = 0; a < phi.size(); ++a) {
    if (!phi[a].name.ends_with(kA)) continue;
    const std::string site = phi[a].name.substr(0, phi[a].name.size() - kA.size());
    const auto b = static_cast<std::size_t>(
        std::ranges::find(phi, site + std::string(kB), &Entry::name) - phi.begin());
    PALINODE_ASSERT(b < phi.size());
    const std::size_t in = phi[a].value.shape()[0], rank = phi[a].value.shape()[1];
    const std::size_t out = phi[b].value.shape()[1];
    for (std::size_t r = 0; r < rank; ++r) {
      all.push_back(
          {a, b, r, norm_of(phi[a].value, r, rank, in) * norm_of(phi[b].value, r * out, 1, out)});
    }
  }
  std::ranges::stable_sort(all, {}, &Component::norm);
  return all;
}

Tensor with_zeros(const Tensor& t, std::size_t first, std::size_t stride, std::size_t count) {
  std::vector<float> values(t.values<float>().begin(), t.values<float>().end());
  for (std::size_t i = 0; i < count; ++i) values[first + i * stride] = 0;
  return Tensor::from<float>(values, t.shape());
}

rbl::NamedValues without_components(rbl::NamedValues phi, double share) {
  const std::vector<Component> all = components_of(phi);
  const auto gone = static_cast<std::size_t>(std::llround(share * static_cast<double>(all.size())));
  for (const Component& c : std::span(all).first(gone)) {
    const std::size_t in = phi[c.a].value.shape()[0], rank = phi[c.a].value.shape()[1];
    const std::size_t out = phi[c.b].value.shape()[1];
    phi[c.a].value = with_zeros(phi[c.a].value, c.rank, rank, in);
    phi[c.b].value = with_zeros(phi[c.b].value, c.rank * out, 1, out);
  }
  return phi;
}

rbl::NamedValues pruned(const Store& phi, rbl::PruneRule rule, double share) {
  rbl::NamedValues values = rbl::named_values(phi);
  for (const Write& write : rbl::prune(phi, rule, share).writes) {
    values[phi.index(write.name)].value = write.value;
  }
  return values;
}

double predicted_threshold(const Store& phi, double travelled) {
  const auto n = static_cast<double>(phi.elements());
  double share = 0;
  for (const Entry& entry : phi.entries()) {
    const double part = static_cast<double>(entry.value.elements()) / n;
    const double bound = 1 / std::sqrt(static_cast<double>(entry.value.shape()[0]));
    share += entry.name.ends_with(kB) ? part : part * std::min(1.0, travelled / bound);
  }
  return share;
}

double share_up_to_largest_b(const Store& phi) {
  float largest = 0;
  for (const Entry& entry : phi.entries()) {
    if (!entry.name.ends_with(kB)) continue;
    for (const float b : values_of(entry)) largest = std::max(largest, std::abs(b));
  }
  std::size_t below = 0;
  for (const Entry& entry : phi.entries()) {
    below += static_cast<std::size_t>(std::ranges::count_if(
        values_of(entry), [largest](float w) { return std::abs(w) <= largest; }));
  }
  return static_cast<double>(below) / static_cast<double>(phi.elements());
}

struct Rule {
  std::string_view name;
  rbl::NamedValues (*prune)(const Store& phi, double share);
};
constexpr Rule kRules[] = {
    {"global",
     [](const Store& phi, double share) { return pruned(phi, rbl::PruneRule::kGlobal, share); }},
    {"per tensor",
     [](const Store& phi, double share) { return pruned(phi, rbl::PruneRule::kPerTensor, share); }},
    {"rank", [](const Store& phi,
                double share) { return without_components(rbl::named_values(phi), share); }},
};

class Sweep {
 public:
  Sweep(const Cell& cell, const PhiUnit& unit, double rate, std::uint64_t steps)
      : cell_(&cell), identity_(&cell.identity()), unit_(&unit), rate_(rate), steps_(steps) {}

  void add_points(std::vector<Point>& points) const {
    const std::string grid = fmt::format("steps {}", steps_);
    for (const Rule& rule : kRules) {
      const std::vector<double> kl = curve(rule, points);
      std::size_t rises = 0;
      double first_zero = std::numeric_limits<double>::quiet_NaN();
      for (std::size_t i = kl.size(); i-- > 0 && kl[i] == 0;) first_zero = eps(i);
      double largest_rise = 0;
      for (std::size_t i = 1; i < kl.size(); ++i) {
        rises += kl[i] > kl[i - 1] ? 1 : 0;
        largest_rise = std::max(largest_rise, (kl[i] - kl[i - 1]) / kl.front());
      }
      const std::string series = fmt::format("{}, {}", rule.name, grid);
      points.push_back(point(series, "rate", rate_, "first-zero", first_zero));
      points.push_back(point(series, "rate", rate_, "rises", static_cast<double>(rises)));
      points.push_back(point(series, "rate", rate_, "largest-rise", largest_rise));
    }
    const double predicted =
        predicted_threshold(unit_->store(), rate_ * static_cast<double>(steps_));
    points.push_back(point("predicted, " + grid, "rate", rate_, "first-zero", predicted));
    points.push_back(
        point("dead, " + grid, "rate", rate_, "first-zero", share_up_to_largest_b(unit_->store())));
  }

 private:
  double intervals() const { return cell_->settings().number("intervals"); }
  double eps(std::size_t i) const { return static_cast<double>(i) / intervals(); }
  Point point(std::string series, std::string variable, double at, std::string quantity,
              double value) const {
    return cell_->point(std::move(series), std::move(variable), at, std::move(quantity), value,
                        identity_->data);
  }

  std::vector<double> curve(const Rule& rule, std::vector<Point>& points) const {
    const rbl::Family family = phi_family(*identity_, lora_config());
    std::vector<double> curve;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(intervals()); ++i) {
      const rbl::Scratch left(family, Role::kBehavior, rule.prune(unit_->store(), eps(i)),
                              Reason::kPrune);
      const Tensor log_p = log_p_of(*identity_, left.function());
      const rbl::Divergence kl = rbl::kl_divergence(identity_->seen.log_p, log_p);
      const rbl::Divergence js = rbl::js_divergence(identity_->seen.log_p, log_p);
      const std::string series = fmt::format("{}, rate {:g}, steps {}", rule.name, rate_, steps_);
      curve.push_back(kl.mean);
      points.push_back(point(series, "eps", eps(i), "kl", kl.mean));
      points.push_back(point(series, "eps", eps(i), "js", js.mean));
    }
    return curve;
  }

  const Cell* cell_;
  const Identity* identity_;
  const PhiUnit* unit_;
  double rate_;
  std::uint64_t steps_;
};

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  if (identity.theta->entries().front().value.dtype() != Dtype::kF32) {
    throw DtypeError(fmt::format("elimination: {} has weights that are not f32", identity.model));
  }
  Outcome outcome;
  const Rng stream = cell.rng().stream("e2");
  for (const double rate : cell.settings().numbers("rates")) {
    for (const double steps : cell.settings().numbers("steps")) {
      PhiUnit unit(identity, stream.stream("lora"));
      const auto count = static_cast<std::uint64_t>(steps);
      adapt(unit.ledger(), unit.store(), unit.function(), identity, identity.shifted(),
            course_of(identity, identity.shifted(), Mechanism::kAdam, rate, stream),
            {.score = std::nullopt, .most_steps = count});
      Sweep(cell, unit, rate, count).add_points(outcome.points);
    }
  }
  return outcome;
}

// Nothing is left at eps = 1, whatever the rule.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    const bool divergence = p.quantity == "kl" || p.quantity == "js";
    if (p.study == "E2" && divergence && p.at == 1 && p.value != 0) {
      return fmt::format("E2 {} seed {}: {} {:g} with nothing left", p.series, p.seed,
                         p.quantity == "kl" ? "KL" : "JS", p.value);
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally moves("the global rule's first zero is where it is predicted, to two intervals of eps",
              "rates and steps");
  Tally none("the per-tensor rule has no zero below 0.9, on any seed", "rates and steps");
  Tally rises("some curve rises from one eps to the next on most seeds (non-monotone)", "curves",
              Over::kSome);
  const double reach = 2 / evidence.settings.number("intervals");
  const auto name = [](const Point& p) {
    return fmt::format("{} at rate {:g} on {}", p.series, p.at, p.model);
  };
  for (const CurvePoint* curve : curves_like(evidence.curves, "E2", "global, ", "first-zero")) {
    const Point& p = curve->first();
    const std::string predicted_series = "predicted" + p.series.substr(p.series.find(','));
    const CurvePoint* predicted = beside(evidence.curves, *curve, predicted_series, "first-zero");
    if (predicted == nullptr || curve->undefined > 0) {
      moves.add(Case::kUndecided, name(p), "no zero or no prediction");
      continue;
    }
    const Summary off = summarize(paired_differences(*curve, *predicted), "first-zero");
    moves.add(within(off, reach), name(p),
              fmt::format("{:.4g}, predicted {:.4g}, off by {}", curve->summary.mean,
                          predicted->summary.mean, interval_of(off)));
  }
  for (const CurvePoint* curve : curves_like(evidence.curves, "E2", "per tensor, ", "first-zero")) {
    const auto zero = [](const Point* point) { return point->value; };
    const double least = (*std::ranges::min_element(curve->points, {}, zero))->value;
    none.add(!(least < 0.9), name(curve->first()), fmt::format("as low as {:.4g}", least));
  }
  for (const CurvePoint* curve : curves_like(evidence.curves, "E2", "", "rises")) {
    const auto on = static_cast<std::size_t>(
        std::ranges::count_if(curve->points, [](const Point* point) { return point->value > 0; }));
    rises.add(2 * on > curve->points.size(), name(curve->first()),
              fmt::format("rises on {} of {} seeds", on, curve->points.size()));
  }
  const Judgement moved = moves.judgement(), late = none.judgement();
  Judgement artefact = open_for("eps* = 0.6 is an artefact of pruning A and B together",
                                "the two statements above are not both supported");
  if (moved.verdict == Verdict::kSupported && late.verdict == Verdict::kSupported) {
    artefact.verdict = Verdict::kSupported;
    artefact.detail = "the two statements above";
  }
  return {moved, late, artefact, rises.judgement()};
}

}  // namespace

extern const Study kElimination = {
    "E2",
    "elimination",
    "elimination sweep (figure and table)",
    "where does the divergence of a pruned behavior end, and why there",
    "eps* = 0.6 is an artefact if the global rule's first zero moves with the rate as predicted "
    "(in each cell of rates and steps the 95 % interval of first zero less prediction, paired by "
    "seed, lies within two intervals of the grid of eps; refuted if in one it lies outside) and "
    "the per-tensor rule has none below 0.9 on any seed; non-monotone if some curve rises on most "
    "seeds",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
