#include "experiments/results/row.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/rng.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;
using State = rbl::Recoverability::State;

[[noreturn]] void refuse(std::string_view field, std::string_view want) {
  throw FormatError(fmt::format("row: field \"{}\" is not {}", field, want));
}

const ordered_json& field_of(const ordered_json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) throw FormatError(fmt::format("row: field \"{}\" is missing", name));
  return *found;
}

// One list of the fields serves both ways.
struct Writer {
  ordered_json& json;
  void operator()(const char* name, const std::string& x) { json[name] = x; }
  void operator()(const char* name, std::uint64_t x) { json[name] = x; }
  void operator()(const char* name, bool x) { json[name] = x; }
  void operator()(const char* name, double x) { json[name] = json_number(x); }
  void operator()(const char* name, const std::optional<double>& x) {
    json[name] = x ? json_number(*x) : ordered_json();
  }
  void or_null(const char* name, const std::string& x) {
    json[name] = x.empty() ? ordered_json() : ordered_json(x);
  }
  void operator()(const char* name, const std::vector<double>& x) {
    json[name] = ordered_json::array();
    for (const double value : x) json[name].push_back(json_number(value));
  }
  void typed(const char* name, const char* state, const rbl::Recoverability& x) {
    json[name] = x.state == State::kValue ? json_number(x.value) : ordered_json();
    json[state] = rbl::state_name(x.state);
  }
};

struct Reader {
  const ordered_json& json;
  void operator()(const char* name, std::string& x) {
    const ordered_json& j = field_of(json, name);
    if (!j.is_string()) refuse(name, "a string");
    x = j.get<std::string>();
  }
  void operator()(const char* name, std::uint64_t& x) {
    const ordered_json& j = field_of(json, name);
    if (!j.is_number_unsigned()) refuse(name, "a count");
    x = j.get<std::uint64_t>();
  }
  void operator()(const char* name, bool& x) {
    const ordered_json& j = field_of(json, name);
    if (!j.is_boolean()) refuse(name, "true or false");
    x = j.get<bool>();
  }
  void operator()(const char* name, double& x) { x = number_from_json(field_of(json, name), name); }
  void operator()(const char* name, std::optional<double>& x) {
    const ordered_json& j = field_of(json, name);
    x = j.is_null() ? std::nullopt : std::optional<double>(number_from_json(j, name));
  }
  void operator()(const char* name, std::vector<double>& x) {
    const ordered_json& j = field_of(json, name);
    if (!j.is_array()) refuse(name, "a list");
    x.clear();
    for (const ordered_json& value : j) x.push_back(number_from_json(value, name));
  }
  void or_null(const char* name, std::string& x) {
    if (field_of(json, name).is_null()) {
      x.clear();
    } else {
      (*this)(name, x);
    }
  }
  void typed(const char* name, const char* state, rbl::Recoverability& x) {
    std::string text;
    (*this)(state, text);
    for (const State each : {State::kValue, State::kUndefined, State::kBelowFloor}) {
      if (rbl::state_name(each) != text) continue;
      x.state = each;
      x.value = each == State::kValue ? number_from_json(field_of(json, name), name) : 0;
      return;
    }
    refuse(state, "value, undefined or below-floor");
  }
};

template <class AnyRow, class Visitor>
void visit(AnyRow& r, Visitor v) {
  v("study", r.study);
  v("model", r.model);
  v("data", r.data);
  v("locus", r.locus);
  v("mechanism", r.mechanism);
  v("alpha", r.alpha);
  v("rollback", r.rollback);
  v("variant", r.variant);
  v("seed", r.seed);
  v("kl_adapt", r.kl_adapt);
  v("js_adapt", r.js_adapt);
  v("kl_rec", r.kl_rec);
  v("js_rec", r.js_rec);
  v.typed("rf", "rf_state", r.rf);
  v("kl_adapt_resampled", r.kl_adapt_resampled);
  v("js_adapt_resampled", r.js_adapt_resampled);
  v("kl_rec_resampled", r.kl_rec_resampled);
  v("js_rec_resampled", r.js_rec_resampled);
  v.typed("rf_geometry", "rf_geometry_state", r.rf_geometry);
  v("ils_mean", r.ils_mean);
  v("ils_max", r.ils_max);
  v("ils_flagged", r.ils_flagged);
  v("svar", r.svar);
  v("top1_changed", r.top1_changed);
  v("logits_bit_equal", r.logits_bit_equal);
  v("words_changed", r.words_changed);
  v("words", r.words);
  v("distance_adapt", r.distance_adapt);
  v("distance_rec", r.distance_rec);
  v("theta_fingerprint_before", r.theta_fingerprint_before);
  v("theta_fingerprint_after", r.theta_fingerprint_after);
  v.or_null("phi_digest", r.phi_digest);
  v("task_metric_base", r.task_metric_base);
  v("task_metric_adapt", r.task_metric_adapt);
  v("task_metric_rec", r.task_metric_rec);
  v("identity_metric_base", r.identity_metric_base);
  v("identity_metric_adapt", r.identity_metric_adapt);
  v("identity_metric_rec", r.identity_metric_rec);
  v("score_reached", r.score_reached);
  v("steps", r.steps);
  v("bytes_kept", r.bytes_kept);
  v("bytes_snapshot", r.bytes_snapshot);
  v("bytes_behavior", r.bytes_behavior);
  v("passes", r.passes);
  v("flops", r.flops);
}

}  // namespace

// JSON has no word for what is not finite; a string keeps "inf" and "nan" apart, in digests too.
ordered_json json_number(double x) {
  // 0 / 0 has a sign on some processors and none on others.
  if (std::isnan(x)) return "nan";
  return std::isfinite(x) ? ordered_json(x) : ordered_json(fmt::format("{}", x));
}

double number_from_json(const ordered_json& json, const char* field) {
  if (json.is_number()) return json.get<double>();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (json == "inf") return kInf;
  if (json == "-inf") return -kInf;
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  refuse(field, "a number");
}

std::vector<double> resampled_means(std::span<const double> per_probe) {
  const Rng rng = Rng(0).stream("bootstrap/probes");
  const std::size_t probes = per_probe.size();
  std::vector<double> means, drawn(probes);
  for (std::size_t r = 0; r < kResampledProbes; ++r) {
    for (std::size_t i = 0; i < probes; ++i) {
      drawn[i] = per_probe[rng.below(r * probes + i, probes)];
    }
    means.push_back(kernels::sum<double>(drawn) / static_cast<double>(probes));
  }
  return means;
}

std::vector<double> resampled_recoverability(const Row& row) {
  const std::vector<double>&adapt = row.kl_adapt_resampled, &rec = row.kl_rec_resampled;
  if (adapt.size() != rec.size()) {
    throw ShapeError(fmt::format("row: {} resampled KL after the adaptation, {} after the rollback",
                                 adapt.size(), rec.size()));
  }
  std::vector<double> values;
  if (row.rf.state != State::kValue) return values;
  for (std::size_t r = 0; r < adapt.size(); ++r) {
    const rbl::Recoverability rf = rbl::recoverability(adapt[r], rec[r]);
    if (rf.state == State::kValue) values.push_back(rf.value);
  }
  return values;
}

ordered_json row_fields(const Row& row) {
  ordered_json json;
  visit(row, Writer{json});
  return json;
}

ordered_json row_json(const Row& row) {
  ordered_json json = row_fields(row);
  json["backend"] = row.backend;
  json["seconds"] = json_number(row.seconds);
  json["digest"] = row_digest(row);
  return json;
}

Row row_from_json(const ordered_json& json) {
  if (!json.is_object()) throw FormatError("row: not an object");
  Row row;
  Reader reader{json};
  visit(row, reader);
  reader("backend", row.backend);
  reader("seconds", row.seconds);
  std::string digest;
  reader("digest", digest);
  if (digest != row_digest(row)) {
    throw FormatError(
        fmt::format("row: its digest is {}, its fields have {}", digest, row_digest(row)));
  }
  return row;
}

std::string row_digest(const Row& row) { return hex(sha256(row_fields(row).dump())); }

}  // namespace palinode::experiments
