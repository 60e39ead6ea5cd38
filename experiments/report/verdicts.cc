#include "experiments/report/verdicts.h"

#include <fmt/format.h>

namespace palinode::experiments::report {

std::string verdict_chip(const std::string& verdict) {
  return chip(verdict, verdict == "supported" ? "good"
                       : verdict == "refuted" ? "bad"
                       : verdict == "open"    ? "open"
                                              : "plain");
}

std::string judgement_table(const Json& judgements, const std::string& study) {
  Table table(fmt::format("Verdicts of {}", study),
              {{"Statement"}, {"Verdict"}, {"Holds in"}, {"Cases that decide"}});
  bool any = false;
  for (const Json& judgement : judgements) {
    if (text(judgement, "study") != study) continue;
    any = true;
    const auto words = [&judgement](const char* key) {
      return "<span class=\"words\">" + escape(text(judgement, key)) + "</span>";
    };
    const bool counted = figure(judgement, "of").value_or(0) > 0;
    table.row({words("statement"), verdict_chip(text(judgement, "verdict")),
               counted ? escape(fmt::format("{} of {} {}", text(judgement, "holds"),
                                            text(judgement, "of"), text(judgement, "cases")))
                       : "",
               words("detail")});
  }
  return any ? table.html() : "";
}

}  // namespace palinode::experiments::report
