// What a training run is told: a TOML file and `--set section.key=value`, read into one struct.
//
// Every setting is a row of one table (config_fields.cc): its key, default, limits, the kinds of
// model or optimizer that have it, and its meaning. Reading, checking, writing and the reference in
// docs/training.md all go by that table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/usage_error.h"

namespace palinode::experiments::train {

// A setting that is unknown, of the wrong type, out of range, or in contradiction to another. Its
// message begins with where it stands: "mnist.toml:3:6: ..." or "--set model.layers=0: ...".
class ConfigError : public UsageError {
 public:
  using UsageError::UsageError;
};

struct DataConfig {
  std::string name = "digits";
  std::string dir;
  std::string tokenizer = "bytes";
  std::uint64_t merges = 256;
  std::uint64_t validation = 0;
  std::uint64_t shift = 0;
};

struct ModelConfig {
  std::string kind = "mlp";
  std::vector<std::uint64_t> hidden = {128};
  std::string activation = "relu";
  std::vector<std::uint64_t> channels = {16, 32};
  std::uint64_t kernel = 3;
  std::vector<std::uint64_t> pool = {2, 2};
  bool batch_norm = false;
  std::uint64_t layers = 4, heads = 4, kv_heads = 2, width = 128, ffn = 344;
  bool tied = false;
  double dropout = 0;
  bool checkpointing = false;
  std::string precision = "fast";
};

struct OptimizerConfig {
  std::string kind = "adam";
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double alpha = 0.99;
  double momentum = 0;
  bool nesterov = false;
  bool centered = false;
  double weight_decay = 0;
  std::string schedule = "constant";
  std::uint64_t warmup = 0;
  double min_lr = 0;
  double clip_norm = 0;
  double clip_value = 0;
  std::uint64_t accumulate = 1;
};

struct LoopConfig {
  std::uint64_t steps = 0, epochs = 0;
  std::uint64_t batch = 32;
  std::uint64_t shards = 1;
  std::uint64_t context = 64;
  std::uint64_t eval_every = 0;
  std::uint64_t checkpoint_every = 0;
  std::uint64_t patience = 0;
  std::string keep = "last";
};

struct SampleConfig {
  std::string prompt = "The ";
  std::uint64_t tokens = 200;
  double temperature = 0.8;
  std::uint64_t top_k = 0;
};

struct Config {
  std::uint64_t seed = 1;
  DataConfig data;
  ModelConfig model;
  OptimizerConfig optimizer;
  LoopConfig train;
  SampleConfig sample;
  std::string ledger = "digest";

  bool language_model() const { return model.kind == "gpt" || model.kind == "llama"; }
};

// Reads TOML; `name` stands for the file in messages. Then applies the overrides, each
// "section.key=value" with a value as in TOML, where a string needs no quotes. Throws ConfigError.
Config parse_config(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides = {});
// The same over other settings than the defaults, leaving one table to somebody else.
Config parse_config(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides, const Config& start,
                    std::string_view foreign_table);

// TOML that parse_config reads back as the same settings: every one that the model and the
// optimizer have, those at their default too.
std::string to_toml(const Config& config);

// Throws ConfigError naming the first setting in which they differ and `name`, the file of `kept`.
void check_same(const Config& kept, const Config& asked, const std::string& name);

// The table of all settings, in Markdown.
std::string config_reference();

}  // namespace palinode::experiments::train
