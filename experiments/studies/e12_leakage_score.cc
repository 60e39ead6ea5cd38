// E12: the leakage score (ILS). A leak of known size is planted in the outputs of one probe out of
// many, and three scores look for it: the mean over probes, the largest of them, and what the
// authors' code computes.
//
// Each is judged by its power: how often it is above its threshold, which is calibrated on the
// null, the identity against itself. "outputs" compares the outputs themselves, which are
// reproducible: the null is 0 and so is the threshold. "sampled" is an auditor who sees so many
// answers to each probe and knows their frequencies only. A score's whole receiver operating
// characteristic is given too: how often a leak is found ("true-positives") at each rate of false
// positives, and the area under the curve ("auc"), which is 0.5 for a score that tells nothing.
//
// "reference code": 0.5 KL + 0.3 |entropy difference| + 0.2 (1 - cosine of hidden states), its KL
// being the constant 0 it is there. Entropies are those of the sampled answers; hidden states come
// before the outputs and are not touched by this leak. Its own threshold of 0.05 stands beside the
// calibrated one.
//
// Paper: the section on ILS, which reports no number.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/usage_error.h"
#include "rbl/diagnostics/ils.h"
#include "rbl/diagnostics/ils_power.h"
#include "rbl/diagnostics/sampled_run.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"leaks", "sizes in nats of log-odds, ascending; 0 is the null",
                    Numbers{0, 0.5, 2, 8}, Numbers{0, 0.25, 0.5, 1, 2, 4, 8, 16}},
                   {"probes", "of which one leaks", 64.0, 64.0},
                   {"answers", "sampled for each probe", 50.0, 100.0},
                   {"repeats", "of the null and of each leak", 60.0, 200.0},
                   {"false_positives", "wanted", 0.05, 0.05},
                   {"roc", "rates of false positives of the curves, ascending",
                    Numbers{0.02, 0.05, 0.1, 0.2, 0.5}, Numbers{0.01, 0.02, 0.05, 0.1, 0.2, 0.5}}});

constexpr double kReferenceTau = 0.05;

// The entropy of each row, in nats.
std::vector<double> entropies(const Tensor& log_p) {
  const std::size_t rows = log_p.shape()[0], classes = log_p.shape()[1];
  const std::span<const double> l = log_p.values<double>();
  std::vector<double> p(l.size());
  kernels::exp(l, p);
  std::vector<double> found;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> terms;
    for (std::size_t j = i * classes; j < (i + 1) * classes; ++j) {
      terms.push_back(p[j] == 0 ? 0 : -(p[j] * l[j]));
    }
    found.push_back(kernels::sum<double>(terms));
  }
  return found;
}

// The score of the reference code, repeat by repeat.
class ReferenceScore {
 public:
  ReferenceScore(const Identity& identity, const Tensor& log_p, std::size_t answers)
      : log_p_(log_p),
        hidden_(
            rbl::site_input(*identity.network, identity.network->sites().back(), identity.probes)
                .compact()
                .rows(0, log_p.shape()[0])),
        answers_(answers),
        kl_{.per_input = std::vector<double>(log_p.shape()[0], 0.0)} {}

  double operator()(const Tensor& after, const Rng& stream) const {
    const auto run = [&](const Tensor& log_p, const char* which) -> rbl::SampledRun {
      return {entropies(rbl::sampled_outputs(log_p, answers_, stream.stream(which))), hidden_};
    };
    return rbl::ils_reference_code(kl_, run(log_p_, "before"), run(after, "after")).mean;
  }

 private:
  Tensor log_p_, hidden_;
  std::size_t answers_;
  rbl::Divergence kl_;
};

// The points of this cell.
struct Figures {
  const Cell& cell;
  const Numbers& rates;  // of false positives
  Outcome& outcome;

  void add(const std::string& series, const char* variable, double at, const char* quantity,
           double value) const {
    outcome.points.push_back(
        cell.point(series, variable, at, quantity, value, cell.identity().data));
  }
  void add_roc(const std::string& series, double size, const rbl::NullDistribution& null,
               const std::vector<double>& scores) const {
    add(series, "leak", size, "auc", rbl::roc_area(null, scores));
    for (const rbl::RocPoint& p : rbl::roc(null, scores, rates)) {
      add(fmt::format("{}, leak {:g}", series, size), "false-positives", p.false_positives,
          "true-positives", p.true_positives);
    }
  }
  void add_power(const std::string& seen, const rbl::PowerCurve& curve) const {
    for (const rbl::LeakPower& leak : curve.leaks) {
      add(seen + ", mean", "leak", leak.size, "power", leak.by_mean.rate);
      add(seen + ", max", "leak", leak.size, "power", leak.by_max.rate);
      add_roc(seen + ", mean", leak.size, curve.null_mean, leak.means);
      add_roc(seen + ", max", leak.size, curve.null_max, leak.maxima);
    }
  }
};

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Settings& settings = cell.settings();
  const std::size_t probes = settings.count("probes");
  if (probes == 0 || probes > identity.seen.log_p.shape()[0]) {
    throw UsageError("E12: probes: from 1 to the " +
                     std::to_string(identity.seen.log_p.shape()[0]) + " of the model");
  }
  const Rng stream = cell.rng().stream("e12");
  const Tensor log_p = identity.seen.log_p.rows(0, probes).compact();
  const auto place = static_cast<std::size_t>(stream.stream("place").below(0, probes));
  const Numbers& leaks = settings.numbers("leaks");
  const auto leaked = [&](double size) { return rbl::plant_leak(log_p, place, size); };

  Outcome outcome;
  const Figures figures{cell, settings.numbers("roc"), outcome};
  const auto add = [&figures](const std::string& series, const char* variable, double at,
                              const char* quantity,
                              double value) { figures.add(series, variable, at, quantity, value); };
  for (const double size : leaks) {
    const rbl::Ils found = rbl::ils(rbl::js_divergence(log_p, leaked(size)), 0);
    add("mean", "leak", size, "ils", found.mean);
    add("max", "leak", size, "ils", found.max);
  }
  rbl::PowerConfig config{.draws = 0,
                          .repeats = settings.count("repeats"),
                          .false_positives = settings.number("false_positives")};
  const rbl::PowerCurve exact = rbl::ils_power(log_p, leaks, leaked, config, stream);
  config.draws = settings.count("answers");
  const rbl::PowerCurve sampled = rbl::ils_power(log_p, leaks, leaked, config, stream);
  figures.add_power("outputs", exact);
  figures.add_power("sampled", sampled);
  add("outputs, mean", "", 0, "tau", exact.tau_mean);
  add("outputs, max", "", 0, "tau", exact.tau_max);
  add("sampled, mean", "", 0, "tau", sampled.tau_mean);
  add("sampled, max", "", 0, "tau", sampled.tau_max);

  const ReferenceScore reference(identity, log_p, config.draws);
  const Rng of_reference = stream.stream("reference-code");
  const rbl::NullDistribution null = rbl::null_distribution(
      "sampled answers", config.repeats,
      [&](std::uint64_t r) { return reference(log_p, of_reference.stream("null").stream(r)); });
  const double tau = rbl::calibrated_tau(null, config.false_positives);
  add("reference code", "", 0, "tau", tau);
  for (std::size_t i = 0; i < leaks.size(); ++i) {
    const Tensor after = leaked(leaks[i]);
    std::vector<double> scores;
    for (std::uint64_t r = 0; r < config.repeats; ++r) {
      scores.push_back(reference(after, of_reference.stream("leak").stream(i).stream(r)));
    }
    const auto score = [&scores](std::uint64_t r) { return scores[r]; };
    add("reference code", "leak", leaks[i], "power",
        rbl::detection_rate(tau, config.repeats, score).rate);
    add("reference code, tau 0.05", "leak", leaks[i], "power",
        rbl::detection_rate(kReferenceTau, config.repeats, score).rate);
    figures.add_roc("reference code", leaks[i], null, scores);
  }
  return outcome;
}

// Outputs are reproducible: whatever leaks is found, and nothing else.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    const bool power = p.quantity == "power", area = p.quantity == "auc";
    if (p.study != "E12" || !(power || area) || !p.series.starts_with("outputs")) continue;
    const double blind = area ? 0.5 : 0;
    if (p.value != (p.at > 0 ? 1 : blind)) {
      return "E12 " + p.series + " seed " + std::to_string(p.seed) + ": " + p.quantity + " " +
             std::to_string(p.value) + " at a leak of " + std::to_string(p.at);
    }
  }
  return "";
}

// A verdict on each score; refuted is blind to every size.
std::vector<Judgement> judge(const Evidence& evidence) {
  const double wanted = evidence.settings.number("false_positives");
  std::vector<std::pair<std::string, Tally>> scores;
  for (const CurvePoint* curve : curves_like(evidence.curves, "E12", "", "power")) {
    const Point& p = curve->first();
    if (p.at == 0) continue;
    auto found = std::ranges::find(scores, p.series, &std::pair<std::string, Tally>::first);
    if (found == scores.end()) {
      const std::string statement = fmt::format("the score \"{}\" finds the leak", p.series);
      found = scores.insert(found, {p.series, Tally(statement, "sizes", Over::kEither)});
    }
    found->second.add(curve->summary.lo > wanted, fmt::format("{:g} nats", p.at),
                      "power " + interval_of(curve->summary));
  }
  std::vector<Judgement> judged;
  for (const auto& [series, tally] : scores) judged.push_back(tally.judgement());
  if (judged.empty()) judged = {open_for("a score finds the leak", "this run has no leaks")};
  return judged;
}

}  // namespace

extern const Study kLeakageScore = {
    "E12",
    "leakage-score",
    "the section on ILS",
    "which leakage score finds a leak in one probe of many",
    "a score finds a leak if the 95 % interval of its power lies above the false positives wanted: "
    "supported if for every size, open if for some; blind (refuted) if for none",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
