// One cell of a study, with a few settings of its own, for tests. Identities are shared.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "experiments/studies/study.h"

namespace palinode::experiments {

inline Outcome small_run(std::string_view id, std::initializer_list<const char*> assignments,
                         std::uint64_t seed = 1, const std::string& model = "digits-mlp") {
  static Subjects subjects{Options{}};
  const Study& study = find_study(id);
  Settings settings(study.knobs, Size::kQuick);
  for (const char* assignment : assignments) settings.set(assignment);
  return study.run(Cell(study, settings, model, seed, subjects));
}

// The point's value; none if there is no such point.
inline std::optional<double> value_at(const Outcome& outcome, std::string_view series,
                                      std::string_view quantity, double at) {
  for (const Point& point : outcome.points) {
    if (point.series == series && point.quantity == quantity && point.at == at) return point.value;
  }
  return std::nullopt;
}

// The row of a mechanism, a rollback and, where it matters, an alpha and a variant.
inline const Row* row_of(const Outcome& outcome, std::string_view mechanism,
                         std::string_view rollback, std::optional<double> alpha = std::nullopt,
                         std::string_view variant = "") {
  for (const Row& row : outcome.rows) {
    if (row.mechanism == mechanism && row.rollback == rollback && row.variant == variant &&
        (!alpha || row.alpha == alpha)) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace palinode::experiments
