#include "experiments/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

auto key_of(const Row& row) {
  return std::tie(row.study, row.model, row.data, row.locus, row.mechanism, row.alpha,
                  row.rollback);
}

// Which figure of a row a summary is about, with the name that keys its resampling.
Summary over(const Group& group, std::string_view name, double (*figure)(const Row&)) {
  std::vector<double> values;
  for (const Row* row : group.rows) values.push_back(figure(*row));
  return summarize(values, name);
}

void fill(Group& group) {
  group.kl_adapt = over(group, "kl_adapt", [](const Row& r) { return r.kl_adapt; });
  group.js_adapt = over(group, "js_adapt", [](const Row& r) { return r.js_adapt; });
  group.kl_rec = over(group, "kl_rec", [](const Row& r) { return r.kl_rec; });
  group.js_rec = over(group, "js_rec", [](const Row& r) { return r.js_rec; });
  group.words_changed_share = over(group, "words_changed", [](const Row& r) {
    return static_cast<double>(r.words_changed) / static_cast<double>(r.words);
  });
  group.task_metric_adapt = over(group, "task", [](const Row& r) { return r.task_metric_adapt; });
  group.task_metric_rec = over(group, "task_rec", [](const Row& r) { return r.task_metric_rec; });
  for (const Row* row : group.rows) {
    if (row->rf.state != rbl::Recoverability::State::kValue) group.rf_state = row->rf.state;
    group.bits_equal += row->words_changed == 0 && row->logits_bit_equal ? 1 : 0;
  }
  if (group.rf_state == rbl::Recoverability::State::kValue) {
    group.rf = over(group, "rf", [](const Row& r) { return r.rf.value; });
  }
  group.verdict = verdict_of(group);
}

// JSON has no word for what is not finite; a string keeps "inf" and "nan" apart, in digests too.
ordered_json number(double x) {
  return std::isfinite(x) ? ordered_json(x) : ordered_json(fmt::format("{}", x));
}

ordered_json summary_json(const Summary& s) {
  return {{"mean", number(s.mean)},
          {"median", number(s.median)},
          {"lo", number(s.lo)},
          {"hi", number(s.hi)}};
}

// The fields of a row but for its own digest, the backend and its wall time.
ordered_json fields(const Row& r) {
  ordered_json j;
  j["study"] = r.study;
  j["model"] = r.model;
  j["data"] = r.data;
  j["locus"] = r.locus;
  j["mechanism"] = r.mechanism;
  j["alpha"] = r.alpha ? ordered_json(*r.alpha) : ordered_json();
  j["rollback"] = r.rollback;
  j["seed"] = r.seed;
  j["kl_adapt"] = number(r.kl_adapt);
  j["js_adapt"] = number(r.js_adapt);
  j["kl_rec"] = number(r.kl_rec);
  j["js_rec"] = number(r.js_rec);
  const bool value = r.rf.state == rbl::Recoverability::State::kValue;
  j["rf"] = value ? number(r.rf.value) : ordered_json();
  j["rf_state"] = rbl::state_name(r.rf.state);
  j["ils_mean"] = number(r.ils_mean);
  j["ils_flagged"] = r.ils_flagged;
  j["svar"] = nullptr;
  j["top1_changed"] = r.top1_changed;
  j["logits_bit_equal"] = r.logits_bit_equal;
  j["words_changed"] = r.words_changed;
  j["words"] = r.words;
  j["distance_adapt"] = number(r.distance_adapt);
  j["distance_rec"] = number(r.distance_rec);
  j["theta_fingerprint_before"] = r.theta_fingerprint_before;
  j["theta_fingerprint_after"] = r.theta_fingerprint_after;
  j["phi_digest"] = r.phi_digest.empty() ? ordered_json() : ordered_json(r.phi_digest);
  j["task_metric_base"] = r.task_metric_base;
  j["task_metric_adapt"] = r.task_metric_adapt;
  j["task_metric_rec"] = r.task_metric_rec;
  j["identity_metric_base"] = r.identity_metric_base;
  j["identity_metric_adapt"] = r.identity_metric_adapt;
  j["identity_metric_rec"] = r.identity_metric_rec;
  j["score_reached"] = r.score_reached;
  j["steps"] = r.steps;
  j["bytes_kept"] = r.bytes_kept;
  j["bytes_snapshot"] = r.bytes_snapshot;
  j["bytes_behavior"] = r.bytes_behavior;
  return j;
}

std::string csv_field(const ordered_json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

std::vector<Group> group_rows(std::span<const Row> rows) {
  std::vector<Group> groups;
  for (const Row& row : rows) {
    const auto same = [&row](const Group& group) { return key_of(group.first()) == key_of(row); };
    auto found = std::ranges::find_if(groups, same);
    if (found == groups.end()) found = groups.insert(groups.end(), Group{});
    found->rows.push_back(&row);
  }
  for (Group& group : groups) fill(group);
  return groups;
}

std::string verdict_of(const Group& group) {
  if (group.bits_equal == group.rows.size() && group.kl_rec.hi == 0) return "exact";
  if (!group.rf) return std::string(rbl::state_name(group.rf_state));
  if (group.rf->hi < 0) return "worse";
  if (group.rf->lo > 0.999) return "function, not bits";
  return group.rf->lo > 0 ? "partial" : "nothing";
}

std::string row_digest(const Row& row) { return hex(sha256(fields(row).dump())); }

std::string study_digest(std::span<const Row> rows) {
  Sha256 sha;
  for (const Row& row : rows) sha.add(row_digest(row));
  return hex(sha.finish());
}

ordered_json row_json(const Row& row) {
  ordered_json j = fields(row);
  j["backend"] = row.backend;
  j["seconds"] = row.seconds;
  j["digest"] = row_digest(row);
  return j;
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
  j["n"] = group.rows.size();
  j["rf"] = group.rf ? summary_json(*group.rf) : ordered_json();
  j["rf_state"] = rbl::state_name(group.rf_state);
  j["kl_adapt"] = summary_json(group.kl_adapt);
  j["js_adapt"] = summary_json(group.js_adapt);
  j["kl_rec"] = summary_json(group.kl_rec);
  j["js_rec"] = summary_json(group.js_rec);
  j["words_changed_share"] = summary_json(group.words_changed_share);
  j["task_metric_adapt"] = summary_json(group.task_metric_adapt);
  j["task_metric_rec"] = summary_json(group.task_metric_rec);
  j["bits_equal"] = group.bits_equal;
  j["verdict"] = group.verdict;
  return j;
}

std::string rows_csv(std::span<const Row> rows) {
  std::string csv;
  for (const Row& row : rows) {
    const ordered_json json = row_json(row);
    std::string header, line;
    for (const auto& [name, value] : json.items()) {
      const std::string_view comma = header.empty() ? "" : ",";
      header.append(comma).append(name);
      line.append(comma).append(csv_field(value));
    }
    if (csv.empty()) csv = header + "\n";
    csv += line + "\n";
  }
  return csv;
}

}  // namespace palinode::experiments
