#include "experiments/suite/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "experiments/embedded.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr double kUnknownWeight = 1;  // seconds, to share out what was never timed

std::string duration_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} min", seconds / 60);
}

std::string_view seeds_knob(Scale scale) {
  switch (scale) {
    case Scale::kSmall:
      return "seeds";
    case Scale::kMedium:
      return "seeds_medium";
    case Scale::kLarge:
      return "seeds_large";
  }
  PALINODE_ASSERT(false);
}

}  // namespace

std::vector<PlannedCell> plan_cells(std::span<const StudyPlan> studies, Size size,
                                    std::uint64_t first_seed, std::uint64_t seeds) {
  const Costs costs = known_costs(size);
  std::vector<PlannedCell> cells;
  for (std::size_t s = 0; s < studies.size(); ++s) {
    const Settings& settings = studies[s].settings;
    const std::string id(studies[s].study->id);
    for (const std::string& model : settings.words("models")) {
      const std::uint64_t count = seeds != 0 ? seeds : settings.count(seeds_knob(scale_of(model)));
      for (std::uint64_t i = 0; i < count; ++i) {
        cells.push_back({s, model, first_seed + i,
                         fmt::format("{}/{}/{}", id, model, first_seed + i),
                         costs.cell(id, model)});
      }
    }
  }
  return cells;
}

std::vector<std::size_t> share_of(std::span<const PlannedCell> cells, std::size_t rank,
                                  std::size_t peers) {
  struct Bundle {
    double weight = 0;
    std::vector<std::size_t> places;
  };
  std::map<std::pair<std::string, std::uint64_t>, Bundle> by_identity;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    Bundle& bundle = by_identity[{cells[i].model, cells[i].seed}];
    bundle.weight = bundle.weight + cells[i].seconds.value_or(kUnknownWeight);
    bundle.places.push_back(i);
  }
  std::vector<Bundle> bundles;
  for (auto& [key, bundle] : by_identity) bundles.push_back(std::move(bundle));
  std::ranges::stable_sort(bundles, std::greater<>(), &Bundle::weight);
  std::vector<double> load(peers, 0);
  std::vector<std::size_t> mine;
  for (const Bundle& bundle : bundles) {
    const auto least = std::ranges::min_element(load);
    if (static_cast<std::size_t>(least - load.begin()) == rank) {
      mine.insert(mine.end(), bundle.places.begin(), bundle.places.end());
    }
    *least = *least + bundle.weight;
  }
  return mine;
}

std::optional<double> Costs::cell(const std::string& study, const std::string& model) const {
  if (text.empty()) return std::nullopt;
  const nlohmann::json costs = nlohmann::json::parse(text);
  const auto found = costs.find(study + "/" + model);
  return found == costs.end() ? std::nullopt : std::optional<double>(found->get<double>());
}

Costs known_costs(Size size) {
  Costs costs;
  const nlohmann::json all = nlohmann::json::parse(embedded::costs_json());
  const nlohmann::json of_size = all.value(std::string(size_name(size)), nlohmann::json::object());
  costs.text = of_size.value("seconds", nlohmann::json::object()).dump();
  if (of_size.contains("memory")) costs.memory = of_size.at("memory").get<double>();
  return costs;
}

std::string plan_text(std::span<const StudyPlan> studies, std::span<const PlannedCell> cells,
                      Size size, std::size_t workers) {
  std::string text = fmt::format("{:<4} {:<18} {:<22} {:>5}  {:>10}  {}\n", "", "study", "model",
                                 "seeds", "core time", "settings");
  double total = 0;
  std::size_t unknown = 0;
  for (std::size_t s = 0; s < studies.size(); ++s) {
    std::map<std::string, std::pair<std::size_t, double>> by_model;
    bool timed = true;
    for (const PlannedCell& cell : cells) {
      if (cell.study != s) continue;
      auto& [count, seconds] = by_model[cell.model];
      ++count;
      timed = timed && cell.seconds;
      unknown += cell.seconds ? 0 : 1;
      seconds += cell.seconds.value_or(0);
      total += cell.seconds.value_or(0);
    }
    std::string settings = studies[s].settings.json().dump();
    for (const auto& [model, sum] : by_model) {
      text += fmt::format("{:<4} {:<18} {:<22} {:>5}  {:>10}  {}\n", studies[s].study->id,
                          studies[s].study->name, model, sum.first,
                          timed ? duration_text(sum.second) : "unknown", settings);
      settings.clear();
    }
  }
  text += fmt::format("\n{} cells", cells.size());
  if (unknown < cells.size()) {
    text += fmt::format("; about {} of core time, {} on {} cores", duration_text(total),
                        duration_text(total / static_cast<double>(workers)), workers);
  }
  if (unknown > 0) text += fmt::format("; {} of them were never timed", unknown);
  const Costs costs = known_costs(size);
  if (costs.memory) text += fmt::format("; at most {:.0f} MB", *costs.memory / 1e6);
  return text + "\n";
}

}  // namespace palinode::experiments
