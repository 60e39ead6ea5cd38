#include "experiments/results/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "experiments/results/groups.h"
#include "experiments/results/paper.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostColumns = 10;

// At most four digits; exact zeros and ones stay recognizable.
std::string number(const ordered_json& json) {
  if (json.is_null()) return "";
  if (json.is_string()) return json.get<std::string>();
  const double x = json.get<double>();
  if (x == 0 || x == 1) return fmt::format("{:g}", x);
  if (x < 1 && x > 0.9995) return fmt::format("1 - {:.1e}", 1 - x);
  return fmt::format("{:.4g}", x);
}

std::string with_interval(const ordered_json& summary) {
  if (!summary.is_object()) return "";
  const std::string lo = number(summary.at("lo")), hi = number(summary.at("hi"));
  const std::string mean = number(summary.at("mean"));
  return lo == hi ? mean : fmt::format("{} [{}, {}]", mean, lo, hi);
}

// A bar in a cell would end it.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  return text;
}

class Table {
 public:
  explicit Table(const std::vector<std::string>& header) {
    add(header);
    text_ += "|";
    for (std::size_t i = 0; i < header.size(); ++i) text_ += "---|";
    text_ += "\n";
  }
  void add(const std::vector<std::string>& cells) {
    text_ += "|";
    for (const std::string& each : cells) text_ += " " + cell(each) + " |";
    text_ += "\n";
  }
  std::string text() const { return text_ + "\n"; }

 private:
  std::string text_;
};

std::vector<ordered_json> of_study(const ordered_json& records, const std::string& study) {
  std::vector<ordered_json> found;
  for (const ordered_json& record : records) {
    if (record.at("study") == study) found.push_back(record);
  }
  return found;
}

std::string claims(const ordered_json& results) {
  std::string text =
      "## The claim ledger\n\nEach verdict follows from the data by the rule beside it. The rules "
      "of "
      "C5, C6 and C10 were put into code, and those of C2, C3, C4 and C8 into their present form, "
      "after figures of quick runs had been seen and before a claim was computed at full length: "
      "of these claims only a full run is a test.\n\n";
  Table table({"", "verdict", "claim of the paper", "figure", "study", "command", "rule"});
  std::map<std::string, std::size_t> counts;
  for (const ordered_json& claim : results.at("claims")) {
    const std::string verdict = claim.at("verdict");
    ++counts[verdict];
    std::string figure = claim.at("figure_is");
    if (!claim.at("figure").is_null()) {
      figure += ": " + number(claim.at("figure"));
      if (!claim.at("lo").is_null() && claim.at("lo") != claim.at("hi")) {
        figure += fmt::format(" [{}, {}]", number(claim.at("lo")), number(claim.at("hi")));
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

std::string intensity(const ordered_json& results) {
  std::string text = "### Mutation intensity (table and figure)\n\n";
  Table table(
      {"alpha", "model", "KL, nothing done", "JS", "paper, 1.5B: KL (JS)", "paper, 3B: KL (JS)"});
  for (const ordered_json& group : results.at("groups")) {
    if (group.at("study") != "E3" || group.at("rollback") != "R0" || group.at("locus") != "theta" ||
        group.at("mechanism") != "noise") {
      continue;
    }
    std::string small, large;
    for (const paper::Intensity& row : paper::kIntensity) {
      if (row.alpha != group.at("alpha").get<double>()) continue;
      small = fmt::format("{} ({})", row.kl_small, row.js_small);
      large = fmt::format("{} ({})", row.kl_large, row.js_large);
    }
    table.add({number(group.at("alpha")), group.at("model"), with_interval(group.at("kl_adapt")),
               with_interval(group.at("js_adapt")), small, large});
  }
  return text + table.text() +
         "The paper's rows are one noise draw each, on models of 1.5 and 3 billion weights and a "
         "vocabulary of 150,000; its reset is no operation, so what it calls KL after the reset is "
         "the KL of the mutation. The same here, over seeds. One alpha means less on a small "
         "network, whose weights are larger.\n\n";
}

std::string mechanisms(const ordered_json& results) {
  std::string text = "### Recoverability by mechanism (table)\n\n";
  Table table({"mechanism", "model", "rollback", "RF here", "bits back", "the paper's RF"});
  struct Part {
    const char* study;
    const char* locus;
    std::size_t place;  // in the paper's table
  };
  for (const Part& part : {Part{"E3", "theta", 0}, Part{"E4", "theta", 1}, Part{"E5", "theta", 1},
                           Part{"E4", "phi", 2}, Part{"E5", "phi", 2}}) {
    for (const ordered_json& group : of_study(results.at("groups"), part.study)) {
      const std::string rollback = group.at("rollback");
      const std::string variant = group.at("variant");
      const bool shown = rollback == "R0" || rollback == "R3" || rollback == "R6" ||
                         rollback == "R12" || rollback == "R17";
      // Of the intensities the paper's middle one.
      const bool middle = group.at("alpha").is_null() || group.at("alpha") == 0.01;
      if (group.at("locus") != part.locus || !shown || !middle ||
          group.at("mechanism") == "noise-bf16") {
        continue;
      }
      table.add({group.at("mechanism"), group.at("model"), rollback + " " + variant,
                 group.at("rf").is_null() ? group.at("rf_state").get<std::string>()
                                          : with_interval(group.at("rf")),
                 fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()),
                 fmt::format("{:g} ({})", paper::kMechanisms[part.place].rf,
                             paper::kMechanisms[part.place].name)});
    }
  }
  return text + table.text() +
         "The paper's 0 is what R0, doing nothing, gives by definition; its table has no other "
         "rollback of weights. It reports no policy gradient.\n\n";
}

std::string elimination(const ordered_json& results) {
  std::string text = "### Elimination (figure and table)\n\n";
  std::vector<ordered_json> curves = of_study(results.at("curves"), "E2");
  std::erase_if(curves, [](const ordered_json& c) { return c.at("quantity") != "kl"; });
  std::vector<std::string> series;
  for (const ordered_json& curve : curves) {
    const std::string name = curve.at("series");
    if (std::ranges::find(series, name) == series.end()) series.push_back(name);
  }
  std::vector<std::string> header = {"share eliminated", "paper: KL"};
  header.insert(header.end(), series.begin(), series.end());
  Table table(header);
  for (const paper::Elimination& row : paper::kElimination) {
    std::vector<std::string> cells = {fmt::format("{:g}", row.share),
                                      row.kl > 1e-6 ? fmt::format("{:g}", row.kl) : "below 1e-6"};
    for (const std::string& name : series) {
      const auto here = std::ranges::find_if(curves, [&](const ordered_json& curve) {
        return curve.at("series") == name &&
               std::abs(curve.at("at").get<double>() - row.share) < 1e-9;
      });
      cells.push_back(here == curves.end() ? "" : number(here->at("mean")));
    }
    table.add(cells);
  }
  return text + table.text() +
         "The paper's rows at 0.001, 0.01 and 0.05 are noise on base weights, filed as elimination "
         "rates; a sweep of one variable cannot rise and fall like that. Its threshold comes from "
         "pruning LoRA's two factors together: the factor that starts at 0 dies first, and where "
         "depends on the learning rate and the steps (study E2 prints the prediction).\n\n";
}

std::string scale(const ordered_json& results) {
  std::string text = "### Recoverability by scale (figure and table)\n\n";
  Table table({"model", "rollback", "RF", "bits back", "paper"});
  for (const ordered_json& group : of_study(results.at("groups"), "E9")) {
    if (group.at("rollback") == "R0") continue;
    table.add(
        {group.at("model"),
         group.at("rollback").get<std::string>() + " " + group.at("variant").get<std::string>(),
         with_interval(group.at("rf")),
         fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()), ""});
  }
  for (const paper::Scale& row : paper::kScale) {
    table.add({std::string(row.model), "", "", "",
               fmt::format("mutation {:g} %, behavioral {:g} %", row.mutation, row.behavioral)});
  }
  return text + table.text() +
         "The paper's figures are shares of ten greedy texts that match, with a LoRA attached and "
         "no "
         "weight changed, one seed; their intervals overlap.\n\n";
}

std::string entropy(const ordered_json& results) {
  std::string text = "### Baseline entropy (table)\n\n";
  Table table({"repeat", "entropy here, nats", "paper"});
  for (const ordered_json& curve : of_study(results.at("curves"), "E0")) {
    if (curve.at("quantity") != "entropy") continue;
    const auto repeat = static_cast<std::size_t>(curve.at("at").get<double>());
    table.add(
        {fmt::format("{}", repeat), number(curve.at("mean")),
         repeat <= paper::kEntropy.size() ? fmt::format("{}", paper::kEntropy[repeat - 1]) : ""});
  }
  return text + table.text() +
         "The paper samples its answers, so its entropies differ from run to run; here outputs "
         "themselves are compared, and repeats are equal to the last bit.\n\n";
}

std::string rollbacks(const std::vector<ordered_json>& groups) {
  if (groups.empty()) return "";
  Table table({"model", "locus", "mechanism", "alpha", "rollback", "D adapted", "D recovered", "RF",
               "RF of the weights", "words changed", "bits back", "bytes kept", "verdict"});
  for (const ordered_json& group : groups) {
    table.add(
        {group.at("model"), group.at("locus"), group.at("mechanism"), number(group.at("alpha")),
         group.at("rollback").get<std::string>() + " " + group.at("variant").get<std::string>(),
         with_interval(group.at("kl_adapt")), with_interval(group.at("kl_rec")),
         group.at("rf").is_null() ? group.at("rf_state").get<std::string>()
                                  : with_interval(group.at("rf")),
         with_interval(group.at("rf_geometry")), number(group.at("words_changed_share").at("mean")),
         fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()),
         number(group.at("bytes_kept").at("mean")), group.at("verdict")});
  }
  return table.text();
}

// A table for each model, variable and quantity: series down, places across.
std::string curves(const std::vector<ordered_json>& all) {
  using Key = std::array<std::string, 3>;
  std::vector<Key> keys;
  std::map<Key, std::vector<ordered_json>> sets;
  for (const ordered_json& curve : all) {
    const Key key = {curve.at("model"), curve.at("variable"), curve.at("quantity")};
    if (!sets.contains(key)) keys.push_back(key);
    sets[key].push_back(curve);
  }
  std::string text;
  for (const Key& key : keys) {
    std::vector<double> places;
    std::vector<std::string> series;
    for (const ordered_json& curve : sets[key]) {
      const double at = curve.at("at");
      if (std::ranges::find(places, at) == places.end()) places.push_back(at);
      const std::string name = curve.at("series");
      if (std::ranges::find(series, name) == series.end()) series.push_back(name);
    }
    std::ranges::sort(places);
    if (places.size() > kMostColumns) {
      std::vector<double> some;
      for (std::size_t i = 0; i < kMostColumns; ++i) {
        some.push_back(places[i * (places.size() - 1) / (kMostColumns - 1)]);
      }
      places = std::move(some);
    }
    std::vector<std::string> header = {
        key[1].empty() ? fmt::format("{}, {}", key[2], key[0])
                       : fmt::format("{} against {}, {}", key[2], key[1], key[0])};
    for (const double at : places)
      header.push_back(key[1].empty() ? "mean" : fmt::format("{:g}", at));
    Table table(header);
    for (const std::string& name : series) {
      std::vector<std::string> cells = {name};
      for (const double at : places) {
        const auto here = std::ranges::find_if(sets[key], [&](const ordered_json& curve) {
          return curve.at("series") == name && curve.at("at") == at;
        });
        cells.push_back(here == sets[key].end() ? ""
                        : places.size() > 5     ? number(here->at("mean"))
                                                : with_interval(*here));
      }
      table.add(cells);
    }
    text += table.text();
  }
  return text;
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
    "- Intervals are over seeds and probes of these models and data, not over models there could "
    "be.\n"
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
      "seeds "
      "with hierarchical bootstrap 95 % intervals (seeds, then probes; 10,000 resamples). How each "
      "is "
      "defined: [metrics.md](metrics.md); what R0 to R18 do: "
      "[rollback.md](rollback.md).\n\n",
      environment.value("command", ""), results.value("version", ""));
  text += claims(results);
  text += "## The paper's tables beside ours\n\n";
  text += intensity(results) + mechanisms(results) + elimination(results) + scale(results) +
          entropy(results);
  text += "## Study by study\n\n";
  for (const ordered_json& study : results.at("studies")) {
    const std::string id = study.at("id");
    text +=
        fmt::format("### {} {}: {}?\n\nOf the paper: {}. Rule: {}.\n\n", id,
                    study.at("name").get<std::string>(), study.at("question").get<std::string>(),
                    study.at("object").get<std::string>(), study.at("rule").get<std::string>());
    text += rollbacks(of_study(results.at("groups"), id));
    text += curves(of_study(results.at("curves"), id));
  }
  return text + "## What the scale of this limits\n\n" + models(results) + kLimits;
}

}  // namespace palinode::experiments
