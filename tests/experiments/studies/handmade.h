// Rows and points made by hand, and what a study's rule says of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/studies/study.h"

namespace palinode::experiments {

inline constexpr std::uint64_t kHandmadeSeeds = 4;

// A value with some spread over seeds: a step above it on seed 1, two on seed 2.
inline auto near(double value, double step = 0.001) {
  return [value, step](std::uint64_t seed) { return value + step * static_cast<double>(seed); };
}

class Handmade {
 public:
  explicit Handmade(const char* study)
      : settings(find_study(study).knobs, Size::kQuick), study_(study) {}

  // A point on each seed; `value` may depend on it.
  void points(const std::string& series, const char* variable, double at, const char* quantity,
              const std::function<double(std::uint64_t)>& value) {
    for (std::uint64_t seed = 1; seed <= kHandmadeSeeds; ++seed) {
      all_points.push_back({.study = study_,
                            .model = "m",
                            .data = "d",
                            .series = series,
                            .variable = variable,
                            .at = at,
                            .quantity = quantity,
                            .seed = seed,
                            .value = value(seed)});
    }
  }
  void points(const std::string& series, const char* variable, double at, const char* quantity,
              double value) {
    points(series, variable, at, quantity, [value](std::uint64_t) { return value; });
  }

  // A row on each seed of an exact rollback, or what `change` makes of it.
  void rows(
      const char* locus, const char* mechanism, const char* rollback,
      const std::function<void(Row&)>& change = [](Row&) {}, const char* study = nullptr) {
    for (std::uint64_t seed = 1; seed <= kHandmadeSeeds; ++seed) {
      Row row{.study = study == nullptr ? study_ : study,
              .model = "m",
              .data = "d",
              .locus = locus,
              .mechanism = mechanism,
              .alpha = std::nullopt,
              .rollback = rollback,
              .seed = seed,
              .kl_adapt = 1,
              .js_adapt = 0.25,
              .rf = {rbl::Recoverability::State::kValue, 1},
              .logits_bit_equal = true,
              .words = 100};
      change(row);
      all_rows.push_back(row);
    }
  }

  std::vector<Judgement> judged() const {
    const std::vector<Group> groups = group_rows(all_rows);
    const std::vector<CurvePoint> curves = curves_of(all_points);
    const Study& study = find_study(study_);
    return judge(study, {groups, curves, settings});
  }
  // The judgement of the statement that has these words.
  Judgement of(std::string_view words) const {
    for (Judgement& judgement : judged()) {
      if (judgement.statement.find(words) != std::string::npos) return judgement;
    }
    ADD_FAILURE() << "no statement has \"" << words << "\"";
    return {};
  }
  std::string_view verdict(std::string_view words) const { return verdict_name(of(words).verdict); }

  // The point of a series, quantity, place and seed, to plant a deviation in.
  double& value(std::string_view series, std::string_view quantity, double at = 0,
                std::uint64_t seed = 2) {
    for (Point& p : all_points) {
      if (p.series == series && p.quantity == quantity && p.at == at && p.seed == seed) {
        return p.value;
      }
    }
    ADD_FAILURE() << series << " " << quantity << " at " << at;
    return all_points.front().value;
  }
  // The same for every seed.
  void set(std::string_view series, std::string_view quantity, double at, double to) {
    for (std::uint64_t seed = 1; seed <= kHandmadeSeeds; ++seed) {
      value(series, quantity, at, seed) = to;
    }
  }

  std::vector<Row> all_rows;
  std::vector<Point> all_points;
  Settings settings;

 private:
  std::string study_;
};

}  // namespace palinode::experiments
