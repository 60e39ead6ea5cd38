#include "experiments/results/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "experiments/results/findings_parts.h"
#include "experiments/results/groups.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using findings::Table;
using nlohmann::ordered_json;

std::string claims(const ordered_json& results) {
  std::string text =
      "## The claim ledger\n\nEach verdict follows from the data by the rule beside it. The rules "
      "of "
      "C5, C6 and C10 were put into code, and those of C2, C3, C4 and C8 into their present form, "
      "after figures of quick runs had been seen and before a claim was computed at full length: "
      "of these claims only a full run is a test. E16 was added to the rule of C1, and E13 to that "
      "of C8, after a full run had been seen.\n\n";
  Table table({"", "verdict", "claim of the paper", "figure", "study", "command", "rule"});
  std::map<std::string, std::size_t> counts;
  for (const ordered_json& claim : results.at("claims")) {
    const std::string verdict = claim.at("verdict");
    ++counts[verdict];
    std::string figure = claim.at("figure_is");
    if (!claim.at("figure").is_null()) {
      figure += ": " + findings::number(claim.at("figure"));
      if (!claim.at("lo").is_null() && claim.at("lo") != claim.at("hi")) {
        figure += fmt::format(" [{}, {}]", findings::number(claim.at("lo")),
                              findings::number(claim.at("hi")));
      }
    }
    const std::string command = claim.at("command");
    table.add({claim.at("id"), "**" + verdict + "**", claim.at("claim"), figure,
               claim.at("study").is_null() ? "" : claim.at("study").get<std::string>(),
               command.empty() ? "" : "`" + command + "`", claim.at("rule")});
  }
  text += table.text();
  return text + fmt::format("{} supported, {} refuted, {} open.\n\n", counts["supported"],
                            counts["refuted"], counts["open"]);
}

// Every model of the rows with its weights and the seeds it ran with, smallest first; then what
// follows from that.
std::string models(const ordered_json& results) {
  struct Model {
    std::string data;
    std::uint64_t weights = 0;
    std::set<std::uint64_t> seeds;
  };
  std::map<std::string, Model> found;
  for (const ordered_json& row : results.at("rows")) {
    Model& model = found[row.at("model")];
    model.data = row.at("data");
    model.weights = row.at("words");
    model.seeds.insert(row.at("seed").get<std::uint64_t>());
  }
  std::vector<std::pair<std::string, Model>> sorted(found.begin(), found.end());
  std::ranges::stable_sort(sorted, {}, [](const auto& each) { return each.second.weights; });
  if (sorted.empty()) return "";
  Table table({"model", "data", "weights", "seeds"});
  for (const auto& [name, model] : sorted) {
    table.add(
        {name, model.data, std::to_string(model.weights), std::to_string(model.seeds.size())});
  }
  return table.text() +
         fmt::format(
             "- The models have {} to {} weights. Nothing here says what billions of "
             "weights do.\n",
             sorted.front().second.weights, sorted.back().second.weights);
}

constexpr const char* kLimits =
    "- The tasks are short: hundreds of steps, one shift. Long adaptations may leave what none of "
    "these rollbacks reaches.\n"
    "- Intervals are over seeds, and of KL, JS and RF of rollbacks also over probes, of these "
    "models and data, not over "
    "models there could be.\n"
    "- The rollbacks are those of the literature with one fair setting each. A better one may "
    "come: "
    "an RF here is a lower bound of what can be had.\n"
    "- A behavior's exactness holds in this program, where nothing writes theta. It is a property "
    "of "
    "the construction, tested, and not a discovery about learning.\n";

}  // namespace

std::string render_findings(const ordered_json& results) {
  if (!results.is_object() || results.value("schema", 0) != kResultsSchema) {
    throw FormatError(fmt::format("findings: not results of schema {}", kResultsSchema));
  }
  const ordered_json& environment = results.at("environment");
  std::string text = fmt::format(
      "# Findings\n\nMade by `palinode findings` from the results of `{}`, version {}: figures and "
      "verdicts are data, the notes between the tables are fixed text. Figures are means over "
      "seeds with bootstrap 95 % intervals (10,000 resamples): those of KL, JS and RF in the "
      "tables of rollbacks and of mutation intensity are hierarchical, seeds and then probes; all "
      "others, those of curves among them, resample seeds. A figure of a curve with (n=3) is over "
      "3 seeds, the others of its line over "
      "more. How each is defined: [metrics.md](metrics.md); what R0 to R18 do: "
      "[rollback.md](rollback.md).\n\n",
      environment.value("command", ""), results.value("version", ""));
  text += claims(results);
  text += "## The paper's tables beside ours\n\n";
  text += findings::paper_tables(results);
  text += "## Study by study\n\n";
  for (const ordered_json& study : results.at("studies")) {
    const std::string id = study.at("id");
    text +=
        fmt::format("### {} {}: {}?\n\nOf the paper: {}. Rule: {}.\n\n", id,
                    study.at("name").get<std::string>(), study.at("question").get<std::string>(),
                    study.at("object").get<std::string>(), study.at("rule").get<std::string>());
    text += findings::judgement_list(findings::of_study(results.at("judgements"), id));
    text += findings::rollback_table(findings::of_study(results.at("groups"), id));
    text += findings::curve_tables(findings::of_study(results.at("curves"), id));
  }
  return text + "## What the scale of this limits\n\n" + models(results) + kLimits;
}

}  // namespace palinode::experiments
