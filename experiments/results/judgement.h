// A study's verdicts: what its rule states, and in how many cases the data bear it out. A rule is
// code beside its text (Study::judge); this is what such code is made of.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/results/groups.h"

namespace palinode::experiments {

enum class Verdict : std::uint8_t { kSupported, kRefuted, kOpen };

std::string_view verdict_name(Verdict verdict);  // "supported", "refuted", "open"

// One statement of a study's rule.
struct Judgement {
  std::string study = {};  // its id
  std::string statement;   // what may be so or not
  Verdict verdict = Verdict::kOpen;
  std::size_t holds = 0, of = 0;  // the cases in which it holds, of how many
  std::string cases = {};         // what they are: "runs", "rates and steps"
  // Those that decide, with their figures (three of them, and how many more), or why it is open.
  std::string detail = {};
};

// "22 of 24 rates and steps".
std::string count_text(const Judgement& judgement);
nlohmann::ordered_json judgement_json(const Judgement& judgement);

enum class Case : std::uint8_t { kHolds, kFails, kUndecided };

// How cases make a verdict. Each is open if there are none.
enum class Over : std::uint8_t {
  kEvery,   // supported if it holds in all, refuted if it fails in one, else open
  kSome,    // supported if it holds in one, refuted if it fails in all, else open
  kEither,  // supported if it holds in all, refuted if it fails in all, else open
};

// The cases of a statement.
class Tally {
 public:
  Tally(std::string statement, std::string cases, Over over = Over::kEvery)
      : statement_(std::move(statement)), cases_(std::move(cases)), over_(over) {}

  // `name` and `figure` are for the detail: "rate 0.004, steps 30", "0.82 against 0.98".
  void add(Case found, std::string_view name, std::string_view figure);
  void add(bool holds, std::string_view name, std::string_view figure) {
    add(holds ? Case::kHolds : Case::kFails, name, figure);
  }
  Judgement judgement() const;

 private:
  std::string statement_, cases_;
  Over over_;
  std::vector<std::string> held_, failed_, undecided_;
};

// A statement that is open, and why.
Judgement open_for(std::string statement, std::string reason);

// Whether the interval lies below (above) the bound: holds; wholly on the other side of it: fails;
// else, and if it is not a number, undecided.
Case below(const Summary& summary, double bound);
Case above(const Summary& summary, double bound);
// Whether the interval lies within `reach` of 0, or has no part there.
Case within(const Summary& summary, double reach);

std::string interval_of(const Summary& summary);  // "0.82 [0.8, 0.84]"

using CurveList = std::vector<const CurvePoint*>;
using GroupList = std::vector<const Group*>;

// In their order. Series are those that begin as given; an empty word fits all.
CurveList curves_like(std::span<const CurvePoint> curves, std::string_view study,
                      std::string_view series, std::string_view quantity);
GroupList groups_like(std::span<const Group> groups, std::string_view study,
                      std::string_view locus = "", std::string_view mechanism = "",
                      std::string_view rollback = "");

// The point of another series, quantity or place, of the same study, model and data; none if it is
// not there.
const CurvePoint* beside(std::span<const CurvePoint> curves, const CurvePoint& curve,
                         std::string_view series, std::string_view quantity,
                         std::optional<double> at = std::nullopt);

// A seed's value; NaN if the curve is not there or has no such seed.
double value_on(const CurvePoint* curve, std::uint64_t seed);

// a - b of the seeds both have, in the order of a's.
std::vector<double> paired_differences(const CurvePoint& a, const CurvePoint& b);
// ln(a / b) of them.
std::vector<double> paired_log_ratios(const CurvePoint& a, const CurvePoint& b);

// The slope of the values on log10 of `at`, for each seed that has all of the sizes.
std::vector<double> slopes_by_seed(const CurveList& sizes);

// It undoes something, and needs neither theta of before nor a journal of its writes.
bool is_without_snapshot(const Row& row);
// Every word of theta and every output bit is that of before, and KL = JS = 0.
bool is_exact(const Row& row);

// Whether every unload (R17) of these is exact, run by run.
void add_exact(Tally& tally, const GroupList& groups);
// "RF is 0": fails where the interval of a rollback without a snapshot lies above 0.
void add_rf_zero(Tally& tally, const GroupList& groups);

// Whether every seed of these has this value.
void add_equal(Tally& tally, const CurveList& curves, double value);

std::string run_name(const Row& row);      // "adam lora on mlp-64-64-10, seed 3"
std::string run_name(const Point& point);  // "phi unload on digits-mlp, tasks 3, seed 4"

}  // namespace palinode::experiments
