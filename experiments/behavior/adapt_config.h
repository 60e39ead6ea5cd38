// What an adaptation is told: the settings of `palinode train` (train/config.h), and a table
// [behavior] with the kind, its sites and its settings.
//
//   [behavior]
//   kind = "lora"
//   sites = ["block.0.attn.qkv", "block.1.attn.qkv"]   # without: everywhere
//   rank = 8
//
//   [train]
//   steps = 500
#pragma once

#include <string>
#include <vector>

#include "experiments/train/config.h"
#include "rbl/behavior.h"

namespace palinode::experiments {

struct AdaptConfig {
  rbl::BehaviorConfig behavior;
  train::Config train;
};

struct AdaptRequest {
  std::string file;  // TOML, if there is one
  std::string kind;  // over the file's
  std::vector<std::string> sites,
      sets;  // `name=value` sets the kind's, `section.key=value` another
};

constexpr std::uint64_t kUsualSteps = 300;  // if neither train.steps nor train.epochs is given

// Model, tokenizer, context and batch are the identity's. Throws UsageError (train::ConfigError
// among them), FormatError for a file that cannot be read.
AdaptConfig adapt_config(const AdaptRequest& request, const train::Config& identity);

}  // namespace palinode::experiments
