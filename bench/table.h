// From measured cases to the table of ratios, as Markdown and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/case.h"

namespace palinode::bench {

// The speeds of one case in one run: its contenders in order, work per second by round.
struct Measured {
  std::vector<std::string> names, variants;
  std::vector<bool> automatic;
  std::vector<std::vector<double>> rates;
  std::optional<Check> check;
};

// Ours against one rival, in every run.
struct Row {
  std::string what;
  Unit unit;
  std::string peer, variant;        // of the last run
  std::vector<double> ours, peers;  // medians in the unit, by run
  std::vector<double> ours_best, peers_best;
  std::vector<double> ratios;  // of our speed to the rival's, by run
  std::vector<double> shares;  // of the machine's limit, by run; empty: no limit applies
  std::string limit;           // "FMA", "read", "copy"
  Bar bar;                     // ratio 0: none
  std::string note;
  std::vector<Check> checks;  // by run, if the case has one

  bool pass() const;  // every run is at the bar and has its check passed
};

// Adds a run of a case to the table: a row for each of its bars, or one against the best rival.
void add_rows(std::vector<Row>& rows, const Case& one, const Measured& measured);

// Errors of one matrix product, in units of u times the sum of |a| |b|.
struct Precision {
  std::string name, variant;
  double max, rms;
};

std::string markdown(const std::vector<Row>& rows, const std::vector<Precision>& precision,
                     const nlohmann::ordered_json& machine);
nlohmann::ordered_json to_json(const std::vector<Row>& rows,
                               const std::vector<Precision>& precision,
                               const nlohmann::ordered_json& machine);

// matmul f32 512x512x512 on values in [-1, 1): ours and everybody else's errors.
std::vector<Precision> product_precision();

}  // namespace palinode::bench
