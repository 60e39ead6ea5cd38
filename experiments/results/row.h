// Row: one measurement of a study, in the fields of results.json (docs/results.md).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rbl/metrics.h"

namespace palinode::experiments {

// One study, model, seed, mechanism and rollback.
struct Row {
  std::string study;
  std::string model, data;
  std::string locus;            // "theta" or "phi"
  std::string mechanism;        // "noise", "sgd", "momentum", "adam", "policy-gradient", ...
  std::optional<double> alpha;  // size of a mutation, where there is one
  std::string rollback;         // "R0", ...
  std::string variant = {};     // tells rollbacks of one id apart: "bf16"; often empty
  std::uint64_t seed = 0;
  double kl_adapt = 0, js_adapt = 0;  // nats, f0 against the adapted function, mean over probes
  double kl_rec = 0, js_rec = 0;      // nats, f0 against the function after the rollback
  rbl::Recoverability rf = {};        // of the function: from the two KL
  // The four divergences on resamples of the probes (resampled_means), for the hierarchical
  // bootstrap; RF on them follows from the two KL.
  std::vector<double> kl_adapt_resampled = {}, js_adapt_resampled = {};
  std::vector<double> kl_rec_resampled = {}, js_rec_resampled = {};
  rbl::Recoverability rf_geometry = {};  // of the weights: from the two distances
  double ils_mean = 0, ils_max = 0;      // over probes, of KL(f0, f_rec)
  std::uint64_t ils_flagged = 0;         // probes whose KL(f0, f_rec) exceeds kLeakThreshold
  std::optional<double> svar = {};       // of the adapted function, where a study measures it
  double top1_changed = 0;               // share of probes whose answer differs after the rollback
  bool logits_bit_equal = false;
  std::uint64_t words_changed = 0;  // parameters of theta whose bits differ from the identity's
  std::uint64_t words = 0;          // parameters of theta
  double distance_adapt = 0, distance_rec = 0;  // ||theta' - theta|| / ||theta||
  std::string theta_fingerprint_before = {}, theta_fingerprint_after = {}, phi_digest = {};
  // Held-out score on the adaptation's task, and on the identity's own.
  double task_metric_base = 0, task_metric_adapt = 0, task_metric_rec = 0;
  double identity_metric_base = 0, identity_metric_adapt = 0, identity_metric_rec = 0;
  bool score_reached = true;  // false: the adaptation ran out of steps
  std::uint64_t steps = 0;    // of the adaptation
  // The price of the rollback: what it stores, the passes it makes, what they cost.
  std::uint64_t bytes_kept = 0, bytes_snapshot = 0, bytes_behavior = 0;
  std::uint64_t passes = 0;
  double flops = 0;
  // Outside the digest: how the matrix products were computed, and wall time.
  std::string backend = "canonical";
  double seconds = 0;
};

// The means of `kResampledProbes` resamples of n probes, of which draw r takes the places below(r n
// + i, n) of the stream bootstrap/probes for all figures and rows alike, so that arms stay paired.
inline constexpr std::size_t kResampledProbes = 32;
std::vector<double> resampled_means(std::span<const double> per_probe);

// RF of each resample, from the row's two lists of KL; a resample without a value is left out.
// Empty where rf has no value. Throws ShapeError unless the lists are of one length.
std::vector<double> resampled_recoverability(const Row& row);

// A probe's KL above which the rollback counts as having left something behind.
inline constexpr double kLeakThreshold = 1e-6;

// Every field under the same-bits contract, in the order of the file; numbers that are not finite
// are the strings "inf", "-inf" and "nan".
nlohmann::ordered_json row_fields(const Row& row);
// Those, the backend, the seconds and the digest.
nlohmann::ordered_json row_json(const Row& row);
// The row again, bit for bit. Throws FormatError naming the field that is missing or not of its
// type, or if the digest is not that of the fields.
Row row_from_json(const nlohmann::ordered_json& json);

// SHA-256 over row_fields.
std::string row_digest(const Row& row);

// For the other records of this folder.
nlohmann::ordered_json json_number(double x);
double number_from_json(const nlohmann::ordered_json& json, const char* field);

}  // namespace palinode::experiments
