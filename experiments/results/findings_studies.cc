#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "experiments/results/findings_parts.h"

namespace palinode::experiments::findings {

using nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostColumns = 10;

// Seeds whose value is part of the mean.
std::uint64_t defined(const ordered_json& curve) {
  return curve.at("n").get<std::uint64_t>() - curve.at("undefined").get<std::uint64_t>();
}

// " (n=3)" where a mean is over fewer seeds than ran the series: some end early, some have no
// value.
std::string fewer_seeds(const ordered_json& curve, std::uint64_t most) {
  const std::uint64_t n = defined(curve);
  return n == most ? "" : fmt::format(" (n={})", n);
}

}  // namespace

std::string judgement_list(const std::vector<ordered_json>& judgements) {
  std::string text;
  for (const ordered_json& judgement : judgements) {
    text += fmt::format("- **{}**: {}", judgement.at("verdict").get<std::string>(),
                        judgement.at("statement").get<std::string>());
    if (judgement.at("of") != 0) {
      text += fmt::format(" ({} of {} {})", judgement.at("holds").dump(), judgement.at("of").dump(),
                          judgement.at("cases").get<std::string>());
    }
    const std::string detail = judgement.at("detail");
    text += (detail.empty() ? "" : "; " + detail) + ".\n";
  }
  return text.empty() ? "" : text + "\n";
}

std::string rollback_table(const std::vector<ordered_json>& groups) {
  if (groups.empty()) return "";
  const bool missed = std::ranges::any_of(
      groups, [](const ordered_json& group) { return !score_missed(group).empty(); });
  std::vector<std::string> header = {
      "model",         "locus",       "mechanism",  "alpha",      "rollback",
      "D adapted",     "D recovered", "RF",         "RF, median", "RF of the weights",
      "words changed", "bits back",   "bytes kept", "verdict"};
  if (missed) header.push_back("score missed");
  Table table(header);
  for (const ordered_json& group : groups) {
    std::vector<std::string> cells = {
        group.at("model"),
        group.at("locus"),
        group.at("mechanism"),
        number(group.at("alpha")),
        group.at("rollback").get<std::string>() + " " + group.at("variant").get<std::string>(),
        with_interval(group.at("kl_adapt")),
        with_interval(group.at("kl_rec")),
        group.at("rf").is_null() ? group.at("rf_state").get<std::string>()
                                 : with_interval(group.at("rf")),
        group.at("rf").is_null() ? "" : number(group.at("rf").at("median")),
        with_interval(group.at("rf_geometry")),
        number(group.at("words_changed_share").at("mean")),
        fmt::format("{} of {}", group.at("bits_equal").dump(), group.at("n").dump()),
        number(group.at("bytes_kept").at("mean")),
        group.at("verdict")};
    if (missed) cells.push_back(score_missed(group));
    table.add(cells);
  }
  return missed ? table.text() + kScoreMissedNote : table.text();
}

std::string curve_tables(const std::vector<ordered_json>& all) {
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
      std::uint64_t most = 0;
      for (const ordered_json& curve : sets[key]) {
        if (curve.at("series") == name) most = std::max(most, curve.at("n").get<std::uint64_t>());
      }
      std::vector<std::string> cells = {name};
      for (const double at : places) {
        const auto here = std::ranges::find_if(sets[key], [&](const ordered_json& curve) {
          return curve.at("series") == name && curve.at("at") == at;
        });
        if (here == sets[key].end()) {
          cells.emplace_back();
          continue;
        }
        cells.push_back((places.size() > 5 ? number(here->at("mean")) : with_interval(*here)) +
                        fewer_seeds(*here, most));
      }
      table.add(cells);
    }
    text += table.text();
  }
  return text;
}

}  // namespace palinode::experiments::findings
