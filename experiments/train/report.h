// What a finished run came to, as text for stdout and as JSON for result.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "experiments/train/config.h"
#include "experiments/train/loop.h"
#include "experiments/train/run_folder.h"

namespace palinode::experiments::train {

struct Report {
  std::string text;
  nlohmann::ordered_json json;
};

Report make_report(const RunFolder& folder, const Config& config, const RunResult& result);

// {"loss", "accuracy", "labels"}, and of a text "perplexity" and "bits_per_byte".
nlohmann::ordered_json to_json(const Evaluation& evaluation);

}  // namespace palinode::experiments::train
