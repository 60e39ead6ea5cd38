// The pieces the findings page is put together from.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace palinode::experiments::findings {

// A figure with at most four digits; exact zeros and ones stay recognizable. Text as it is, null as
// nothing.
std::string number(const nlohmann::ordered_json& json);

// "mean [lo, hi]" of a summary, or the mean alone if there is no spread; nothing if it is no
// object.
std::string with_interval(const nlohmann::ordered_json& summary);

// A table in Markdown, row by row.
class Table {
 public:
  explicit Table(const std::vector<std::string>& header);
  void add(const std::vector<std::string>& cells);
  std::string text() const { return text_ + "\n"; }

 private:
  std::string text_;
};

// The records of one study, in their order.
std::vector<nlohmann::ordered_json> of_study(const nlohmann::ordered_json& records,
                                             const std::string& study);

// "7 of 10": so many of a group's adaptations ran out of steps before their score; nothing if none
// did. A table has such a column if one of its groups has one, and the note under it.
std::string score_missed(const nlohmann::ordered_json& group);
inline constexpr const char* kScoreMissedNote =
    "Score missed: adaptations that ran out of steps before their score. What they learned is not "
    "matched with that of the others.\n\n";

// The verdict on each statement of a study's rule, with the cases that decide.
std::string judgement_list(const std::vector<nlohmann::ordered_json>& judgements);

// The paper's tables, each with what was measured here beside it.
std::string paper_tables(const nlohmann::ordered_json& results);

// A study's rollbacks, a line for each group; nothing without groups.
std::string rollback_table(const std::vector<nlohmann::ordered_json>& groups);

// A study's curves: a table for each model, variable and quantity, series down, places across.
std::string curve_tables(const std::vector<nlohmann::ordered_json>& curves);

}  // namespace palinode::experiments::findings
