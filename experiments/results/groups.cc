#include "experiments/results/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "tensor/digest.h"
#include "tensor/parallel.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;
using State = rbl::Recoverability::State;

using Key = std::tuple<std::string, std::string, std::string, std::string, std::string,
                       std::optional<double>, std::string, std::string>;

Key key_of(const Row& row) {
  return {row.study,     row.model, row.data,     row.locus,
          row.mechanism, row.alpha, row.rollback, row.variant};
}

// Which figure of a row a summary is about, with the name that keys its resampling.
Summary over(const Group& group, std::string_view name, double (*figure)(const Row&)) {
  std::vector<double> values;
  for (const Row* row : group.rows) values.push_back(figure(*row));
  return summarize(values, name);
}

// Over seeds and, where every row has some, over its figures on resampled probes.
Summary over_probes(std::span<const double> values, std::vector<std::vector<double>> inner,
                    std::string_view name) {
  std::erase_if(inner, [](const std::vector<double>& list) { return list.empty(); });
  return inner.size() == values.size() ? summarize_nested(values, inner, name)
                                       : summarize(values, name);
}

Summary over_probes(const Group& group, std::string_view name, double Row::*figure,
                    std::vector<double> Row::*resampled) {
  std::vector<double> values;
  std::vector<std::vector<double>> inner;
  for (const Row* row : group.rows) {
    values.push_back(row->*figure);
    inner.push_back(row->*resampled);
  }
  return over_probes(values, std::move(inner), name);
}

Summary recoverability_of(const Group& group) {
  std::vector<double> values;
  std::vector<std::vector<double>> inner;
  for (const Row* row : group.rows) {
    values.push_back(row->rf.value);
    inner.push_back(resampled_recoverability(*row));
  }
  return over_probes(values, std::move(inner), "rf");
}

void fill(Group& group) {
  group.kl_adapt = over_probes(group, "kl_adapt", &Row::kl_adapt, &Row::kl_adapt_resampled);
  group.js_adapt = over_probes(group, "js_adapt", &Row::js_adapt, &Row::js_adapt_resampled);
  group.kl_rec = over_probes(group, "kl_rec", &Row::kl_rec, &Row::kl_rec_resampled);
  group.js_rec = over_probes(group, "js_rec", &Row::js_rec, &Row::js_rec_resampled);
  group.words_changed_share = over(group, "words_changed", [](const Row& r) {
    return static_cast<double>(r.words_changed) / static_cast<double>(r.words);
  });
  group.task_metric_adapt = over(group, "task", [](const Row& r) { return r.task_metric_adapt; });
  group.task_metric_rec = over(group, "task_rec", [](const Row& r) { return r.task_metric_rec; });
  group.identity_metric_rec =
      over(group, "identity_rec", [](const Row& r) { return r.identity_metric_rec; });
  group.bytes_kept =
      over(group, "bytes", [](const Row& r) { return static_cast<double>(r.bytes_kept); });
  group.flops = over(group, "flops", [](const Row& r) { return r.flops; });
  const auto moved = [](const Row* row) { return row->rf_geometry.state == State::kValue; };
  if (std::ranges::all_of(group.rows, moved)) {
    group.rf_geometry =
        over(group, "rf_geometry", [](const Row& r) { return r.rf_geometry.value; });
  }
  for (const Row* row : group.rows) {
    group.score_missed += row->score_reached ? 0 : 1;
    if (row->rf.state != rbl::Recoverability::State::kValue) group.rf_state = row->rf.state;
    group.bits_equal += row->words_changed == 0 && row->logits_bit_equal ? 1 : 0;
  }
  if (group.rf_state == rbl::Recoverability::State::kValue) {
    group.rf = recoverability_of(group);
  }
  group.verdict = verdict_of(group);
}

ordered_json summary_json(const Summary& s) {
  return {{"mean", json_number(s.mean)},
          {"median", json_number(s.median)},
          {"lo", json_number(s.lo)},
          {"hi", json_number(s.hi)}};
}

// Text with a comma or a quote is quoted (RFC 4180).
std::string csv_field(const ordered_json& value) {
  if (value.is_null()) return "";
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::vector<Group> group_rows(std::span<const Row> rows) {
  std::vector<Group> groups;
  std::map<Key, std::size_t> places;
  for (const Row& row : rows) {
    const auto [place, added] = places.try_emplace(key_of(row), groups.size());
    if (added) groups.emplace_back();
    groups[place->second].rows.push_back(&row);
  }
  parallel_jobs(groups.size(), [&groups](std::size_t i) { fill(groups[i]); });
  return groups;
}

std::string verdict_of(const Group& group) {
  if (group.bits_equal == group.rows.size() && group.kl_rec.hi == 0) return "exact";
  if (!group.rf) return std::string(rbl::state_name(group.rf_state));
  if (group.rf->hi < 0) return "worse";
  if (group.rf->lo > 0.999) return "function, not bits";
  return group.rf->lo > 0 ? "partial" : "nothing";
}

std::string study_digest(std::span<const Row> rows, std::span<const Point> points) {
  Sha256 sha;
  for (const Row& row : rows) sha.add(row_digest(row));
  for (const Point& point : points) sha.add(point_json(point).dump());
  return hex(sha.finish());
}

ordered_json group_json(const Group& group) {
  const Row& first = group.first();
  ordered_json j;
  j["study"] = first.study;
  j["model"] = first.model;
  j["data"] = first.data;
  j["locus"] = first.locus;
  j["mechanism"] = first.mechanism;
  j["alpha"] = first.alpha ? ordered_json(*first.alpha) : ordered_json();
  j["rollback"] = first.rollback;
  j["variant"] = first.variant;
  j["n"] = group.rows.size();
  j["rf"] = group.rf ? summary_json(*group.rf) : ordered_json();
  j["rf_state"] = rbl::state_name(group.rf_state);
  j["rf_geometry"] = group.rf_geometry ? summary_json(*group.rf_geometry) : ordered_json();
  j["kl_adapt"] = summary_json(group.kl_adapt);
  j["js_adapt"] = summary_json(group.js_adapt);
  j["kl_rec"] = summary_json(group.kl_rec);
  j["js_rec"] = summary_json(group.js_rec);
  j["words_changed_share"] = summary_json(group.words_changed_share);
  j["task_metric_adapt"] = summary_json(group.task_metric_adapt);
  j["task_metric_rec"] = summary_json(group.task_metric_rec);
  j["identity_metric_rec"] = summary_json(group.identity_metric_rec);
  j["bytes_kept"] = summary_json(group.bytes_kept);
  j["flops"] = summary_json(group.flops);
  j["bits_equal"] = group.bits_equal;
  j["score_missed"] = group.score_missed;
  j["verdict"] = group.verdict;
  return j;
}

namespace {

template <class Record>
std::string csv(std::span<const Record> records, ordered_json (*json_of)(const Record&)) {
  std::string text;
  for (const Record& record : records) {
    const ordered_json json = json_of(record);
    std::string header, line;
    for (const auto& [name, value] : json.items()) {
      if (value.is_array()) continue;
      const std::string_view comma = header.empty() ? "" : ",";
      header.append(comma).append(name);
      line.append(comma).append(csv_field(value));
    }
    if (text.empty()) text = header + "\n";
    text += line + "\n";
  }
  return text;
}

}  // namespace

// Indented, the file would have a line for each resampled figure.
std::string results_text(const ordered_json& results) {
  std::string text = "{\n";
  for (const auto& [name, value] : results.items()) {
    if (text.size() > 2) text += ",\n";
    text += ordered_json(name).dump() + ": ";
    if (!value.is_array() || value.empty()) {
      text += value.dump(1);
      continue;
    }
    std::string_view before = "[\n ";
    for (const ordered_json& record : value) {
      text.append(before).append(record.dump());
      before = ",\n ";
    }
    text += "\n]";
  }
  return text + "\n}\n";
}

std::string rows_csv(std::span<const Row> rows) { return csv(rows, row_json); }
std::string points_csv(std::span<const Point> points) { return csv(points, point_json); }

}  // namespace palinode::experiments
