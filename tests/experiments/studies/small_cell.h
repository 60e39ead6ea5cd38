// One cell of a study with small knobs, and its points by name.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/studies/study.h"

namespace palinode::experiments {

// Shared, so that each identity is trained once.
inline Subjects& small_subjects() {
  static Subjects subjects{Options{}};
  return subjects;
}

inline Outcome run_small(std::string_view study_id, std::string_view model, std::uint64_t seed,
                         std::initializer_list<const char*> knobs = {}) {
  const Study& study = find_study(study_id);
  Settings settings(study.knobs, Size::kQuick);
  for (const char* knob : knobs) settings.set(knob);
  return study.run(Cell(study, settings, std::string(model), seed, small_subjects()));
}

// The value of the only such point; fails the test if there is none or more than one.
inline double value_of(const Outcome& outcome, std::string_view series, std::string_view quantity,
                       std::optional<double> at = std::nullopt) {
  std::vector<double> found;
  for (const Point& p : outcome.points) {
    if (p.series == series && p.quantity == quantity && (!at || p.at == *at)) {
      found.push_back(p.value);
    }
  }
  EXPECT_EQ(found.size(), 1U) << series << " " << quantity;
  return found.empty() ? std::nan("") : found.front();
}

}  // namespace palinode::experiments
