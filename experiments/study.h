// What a study is, what it yields, and the list of all studies.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/digits.h"
#include "nn/network.h"
#include "rbl/certificate.h"
#include "rbl/metrics.h"
#include "tensor/ledger.h"

namespace palinode::experiments {

// One measurement: one study, seed, mechanism and rollback. The fields and their names are those of
// results.json.
struct Row {
  std::string study;
  std::string model = "mlp-64-64-10";
  std::string data = "digits";
  std::string locus;            // "theta" or "phi"
  std::string mechanism;        // "noise", "sgd", "momentum", "adam", "policy-gradient", ...
  std::optional<double> alpha;  // size of a mutation, where there is one
  std::string rollback;         // "R0", ...
  std::uint64_t seed = 0;
  double kl_adapt = 0, js_adapt = 0;  // nats, f0 against the adapted function, mean over probes
  double kl_rec = 0, js_rec = 0;      // nats, f0 against the function after the rollback
  rbl::Recoverability rf = {};        // from the two KL
  double ils_mean = 0;                // mean over probes of KL(f0, f_rec)
  std::uint64_t ils_flagged = 0;      // probes whose KL(f0, f_rec) exceeds kLeakThreshold
  double top1_changed = 0;            // share of probes whose answer differs after the rollback
  bool logits_bit_equal = false;
  std::uint64_t words_changed = 0;  // parameters of theta whose bits differ from the identity's
  std::uint64_t words = 0;          // parameters of theta
  double distance_adapt = 0, distance_rec = 0;  // ||theta' - theta|| / ||theta||
  std::string theta_fingerprint_before = {}, theta_fingerprint_after = {}, phi_digest = {};
  // Held-out accuracy on the adaptation's task, and on the identity's own.
  double task_metric_base = 0, task_metric_adapt = 0, task_metric_rec = 0;
  double identity_metric_base = 0, identity_metric_adapt = 0, identity_metric_rec = 0;
  bool score_reached = true;  // false: the adaptation ran out of steps
  std::uint64_t steps = 0;    // of the adaptation
  std::uint64_t bytes_kept = 0, bytes_snapshot = 0, bytes_behavior = 0;
  // Outside the digest: how the matrix products were computed, and wall time.
  std::string backend = "canonical";
  double seconds = 0;
};

// A probe's KL above which the rollback counts as having left something behind.
inline constexpr double kLeakThreshold = 1e-6;

// How a run is to be made; nothing in it but the seed and the data can change a result.
struct Options {
  Ledger::Level level = Ledger::Level::kDigest;
  std::string ledger_path = {};  // where the first seed's ledger goes; empty: nowhere
};

// The frozen identity of one seed, shared by the studies of that seed.
struct Identity {
  Rng rng;
  const Digits& digits;
  Options options;
  const Store& theta;
  const nn::Network& model;
  rbl::Observation seen;  // f0 on the probes
  double task_metric = 0, identity_metric = 0;
};

// A study's rows for one identity, in a fixed order.
struct Outcome {
  std::vector<Row> rows;
  std::optional<rbl::Certificate> certificate;
};

struct Study {
  std::string_view id;      // "E4"
  std::string_view name;    // "fine-tuning"
  std::string_view object;  // what of the paper it reproduces
  std::string_view rule;    // the verdict rule, written before the run
  Outcome (*run)(const Identity& identity);
};

std::span<const Study> studies();  // in the order of their numbers

// By id or name, in any case. Throws NameError listing the studies.
const Study& find_study(std::string_view id_or_name);

// Which unload (R17) did not bring every bit back, or nothing.
std::string unload_fault(std::span<const Row> rows);

// What is wrong with E0's rows, or nothing: the instruments must read zero on nothing and see a
// planted last bit.
std::string null_fault(std::span<const Row> rows);

struct LedgerSummary {
  std::uint64_t records = 0;
  Sha256Digest head{};
};

// Trains and freezes the identity of a seed, then calls use(identity). Returns how its ledger
// ended.
LedgerSummary with_identity(std::uint64_t seed, const Digits& digits, const Options& options,
                            const std::function<void(const Identity&)>& use);

}  // namespace palinode::experiments
