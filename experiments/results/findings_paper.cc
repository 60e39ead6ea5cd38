#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "experiments/results/findings_parts.h"
#include "experiments/results/paper.h"

namespace palinode::experiments::findings {
namespace {

using nlohmann::ordered_json;

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
  struct Part {
    const char* study;
    const char* locus;
    std::size_t place;  // in the paper's table
  };
  struct Line {
    ordered_json group;
    std::size_t place;
  };
  std::vector<Line> lines;
  for (const Part& part : {Part{"E3", "theta", 0}, Part{"E4", "theta", 1}, Part{"E5", "theta", 1},
                           Part{"E4", "phi", 2}, Part{"E5", "phi", 2}}) {
    for (const ordered_json& group : of_study(results.at("groups"), part.study)) {
      const std::string rollback = group.at("rollback");
      const bool shown = rollback == "R0" || rollback == "R3" || rollback == "R6" ||
                         rollback == "R12" || rollback == "R17";
      // Of the intensities the paper's middle one.
      const bool middle = group.at("alpha").is_null() || group.at("alpha") == 0.01;
      if (group.at("locus") != part.locus || !shown || !middle ||
          group.at("mechanism") == "noise-bf16") {
        continue;
      }
      lines.push_back({group, part.place});
    }
  }
  const bool missed = std::ranges::any_of(
      lines, [](const Line& line) { return !score_missed(line.group).empty(); });
  std::vector<std::string> header = {"mechanism", "model",     "rollback",
                                     "RF here",   "bits back", "the paper's RF"};
  if (missed) header.insert(header.end() - 1, "score missed");
  Table table(header);
  for (const auto& [group, place] : lines) {
    const paper::Mechanism& paper = paper::kMechanisms[place];
    std::vector<std::string> cells = {
        group.at("mechanism"),
        group.at("model"),
        group.at("rollback").get<std::string>() + " " + group.at("variant").get<std::string>(),
        group.at("rf").is_null() ? group.at("rf_state").get<std::string>()
                                 : with_interval(group.at("rf")),
        fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()),
        fmt::format("{:g} ({})", paper.rf, paper.name)};
    if (missed) cells.insert(cells.end() - 1, score_missed(group));
    table.add(cells);
  }
  text += table.text();
  if (missed) text += kScoreMissedNote;
  return text +
         "The paper's 0 is what R0, doing nothing, gives by definition; its table has no other "
         "rollback of weights. It reports no policy gradient.\n\n";
}

// One quantity of E2 at the shares of the paper's table, its own figures first.
std::string elimination_table(const ordered_json& results, const char* quantity,
                              const std::string& heading, double paper::Elimination::*papers) {
  std::vector<ordered_json> curves = of_study(results.at("curves"), "E2");
  std::erase_if(curves, [quantity](const ordered_json& c) { return c.at("quantity") != quantity; });
  std::vector<std::string> series;
  for (const ordered_json& curve : curves) {
    const std::string name = curve.at("series");
    if (std::ranges::find(series, name) == series.end()) series.push_back(name);
  }
  std::vector<std::string> header = {"share eliminated", "paper: " + heading};
  for (const std::string& name : series) header.push_back(heading + ", " + name);
  Table table(header);
  for (const paper::Elimination& row : paper::kElimination) {
    const double x = row.*papers;
    std::vector<std::string> cells = {fmt::format("{:g}", row.share),
                                      x > 1e-6 ? fmt::format("{:g}", x) : "below 1e-6"};
    for (const std::string& name : series) {
      const auto here = std::ranges::find_if(curves, [&](const ordered_json& curve) {
        return curve.at("series") == name &&
               std::abs(curve.at("at").get<double>() - row.share) < 1e-9;
      });
      cells.push_back(here == curves.end() ? "" : number(here->at("mean")));
    }
    table.add(cells);
  }
  return table.text();
}

std::string elimination(const ordered_json& results) {
  return "### Elimination (figure and table)\n\n" +
         elimination_table(results, "kl", "KL", &paper::Elimination::kl) +
         elimination_table(results, "js", "JS", &paper::Elimination::js) +
         "The paper's rows at 0.001, 0.01 and 0.05 are noise on base weights, filed as elimination "
         "rates; its JS of 9.63 is above ln 2 = 0.693, the most that JS can be, and equals a KL of "
         "its logs. Its threshold comes from "
         "pruning LoRA's two factors together: the factor that starts at 0 dies first, and where "
         "depends on the learning rate and the steps (study E2 prints the prediction).\n\n";
}

// The weights of each model of the rows: places of E9's curves, which are named as the program
// names a model and not as a row does.
std::map<std::string, double> weights(const ordered_json& results) {
  std::map<std::string, double> found;
  for (const ordered_json& row : results.at("rows")) {
    found[row.at("model")] = row.at("words").get<double>();
  }
  return found;
}

// "97.2 % of answers": the mean share of outputs equal to f0's after a group's rollback; nothing if
// it was not measured.
std::string share_equal(const std::vector<ordered_json>& curves, const ordered_json& group,
                        double parameters) {
  const std::string rollback = group.at("rollback"), variant = group.at("variant");
  const std::string series = fmt::format("{}, {}{}{}", group.at("locus").get<std::string>(),
                                         rollback, variant.empty() ? "" : " ", variant);
  for (const ordered_json& curve : curves) {
    const std::string quantity = curve.at("quantity");
    if (curve.at("series") != series || curve.at("at") != parameters ||
        !quantity.starts_with("equal-")) {
      continue;
    }
    return fmt::format("{:.4g} % of {}", 100 * curve.at("mean").get<double>(), quantity.substr(6));
  }
  return "";
}

std::string scale(const ordered_json& results) {
  std::string text = "### Recoverability by scale (figure and table)\n\n";
  Table table({"model", "rollback", "RF", "bits back", "equal to f0's", "paper: equal texts"});
  const std::map<std::string, double> sizes = weights(results);
  const std::vector<ordered_json> curves = of_study(results.at("curves"), "E9");
  for (const ordered_json& group : of_study(results.at("groups"), "E9")) {
    table.add({group.at("model"),
               group.at("locus").get<std::string>() + " " +
                   group.at("rollback").get<std::string>() + " " +
                   group.at("variant").get<std::string>(),
               with_interval(group.at("rf")),
               fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()),
               share_equal(curves, group, sizes.at(group.at("model"))), ""});
  }
  for (const paper::Scale& row : paper::kScale) {
    table.add({std::string(row.model), "", "", "", "",
               fmt::format("mutation {:g} %, behavioral {:g} %", row.mutation, row.behavioral)});
  }
  return text + table.text() +
         "The paper's figures are shares of ten greedy texts that match, with a LoRA attached and "
         "no weight changed, one seed; their intervals overlap. Here the share of outputs equal to "
         "f0's: of a classifier the most likely class of each probe (answers), of a language model "
         "whole greedy continuations (texts). R0 is the adapted model, with nothing done.\n\n";
}

std::string entropy(const ordered_json& results) {
  std::string text = "### Baseline entropy (table)\n\n";
  Table table({"model", "repeat", "entropy here, nats", "paper"});
  for (const ordered_json& curve : of_study(results.at("curves"), "E0")) {
    if (curve.at("quantity") != "entropy") continue;
    const auto repeat = static_cast<std::size_t>(curve.at("at").get<double>());
    table.add(
        {curve.at("model"), fmt::format("{}", repeat), number(curve.at("mean")),
         repeat <= paper::kEntropy.size() ? fmt::format("{}", paper::kEntropy[repeat - 1]) : ""});
  }
  return text + table.text() +
         "The paper samples its answers, so its entropies differ from run to run; here outputs "
         "themselves are compared, and repeats are equal to the last bit.\n\n";
}

}  // namespace

std::string paper_tables(const ordered_json& results) {
  return intensity(results) + mechanisms(results) + elimination(results) + scale(results) +
         entropy(results);
}

}  // namespace palinode::experiments::findings
