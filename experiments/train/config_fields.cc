#include "experiments/train/config_fields.h"

#include <algorithm>
#include <utility>

namespace palinode::experiments::train {
namespace {

constexpr double kMany = 1e9;  // steps, tokens
constexpr double kMostSeed = 0x1p62;

using Kinds = std::vector<std::string_view>;

// Adds the settings that some kinds of a model or an optimizer have, or all (none named).
struct Adder {
  std::vector<Field>& table;
  std::string_view kind;

  void operator()(Field field, Kinds kinds) const {
    if (!kinds.empty()) field.kind = kind;
    field.kinds = std::move(kinds);
    table.push_back(std::move(field));
  }
};

void add_data(std::vector<Field>& table, DataConfig& data) {
  table.insert(
      table.end(),
      {{.key = "data.name",
        .value = std::ref(data.name),
        .meaning = "the data set, by name; or a text file of one's own"},
       {.key = "data.dir",
        .value = std::ref(data.dir),
        .meaning = "folder of its files; empty: where the package puts them"},
       {.key = "data.tokenizer",
        .value = std::ref(data.tokenizer),
        .meaning = "of texts: a token for each byte that is there, for each of the 256, or those "
                   "and pairs",
        .choices = {"bytes", "all-bytes", "byte-pairs"},
        .kind = "model.kind",
        .kinds = {"gpt", "llama"}},
       {.key = "data.merges",
        .value = std::ref(data.merges),
        .meaning = "how many pairs byte-pairs has",
        .high = 65000,
        .kind = "model.kind",
        .kinds = {"gpt", "llama"}},
       {.key = "data.validation",
        .value = std::ref(data.validation),
        .meaning = "images: how many are held out of the training set for validation (0: none, and "
                   "the test set is looked at instead); texts: how many tokens of the "
                   "validation part are used (0: all)",
        .high = kMany},
       {.key = "data.shift",
        .value = std::ref(data.shift),
        .meaning = "images: each is moved by up to so many pixels each way, anew every step",
        .high = 8,
        .kind = "model.kind",
        .kinds = {"mlp", "cnn"}}});
}

void add_model(std::vector<Field>& table, ModelConfig& model) {
  const Adder add{table, "model.kind"};
  add({.key = "model.kind",
       .value = std::ref(model.kind),
       .meaning = "what is trained",
       .choices = {"mlp", "cnn", "gpt", "llama"}},
      {});
  add({.key = "model.hidden",
       .value = std::ref(model.hidden),
       .meaning = "widths of the hidden layers",
       .low = 1,
       .high = 65536},
      {"mlp", "cnn"});
  add({.key = "model.channels",
       .value = std::ref(model.channels),
       .meaning = "channels of the convolutions",
       .low = 1,
       .high = 4096},
      {"cnn"});
  add({.key = "model.activation",
       .value = std::ref(model.activation),
       .meaning = "between layers",
       .choices = {"relu", "tanh", "gelu", "sigmoid", "silu"}},
      {"mlp"});
  add({.key = "model.kernel",
       .value = std::ref(model.kernel),
       .meaning = "rows and columns of the convolutions, odd",
       .low = 1,
       .high = 31},
      {"cnn"});
  add({.key = "model.pool",
       .value = std::ref(model.pool),
       .meaning = "size of the windows whose maximum follows each convolution (1: none)",
       .low = 1,
       .high = 64},
      {"cnn"});
  add({.key = "model.batch_norm",
       .value = std::ref(model.batch_norm),
       .meaning = "batch normalization after every convolution or hidden layer"},
      {"mlp", "cnn"});
}

void add_attention_model(std::vector<Field>& table, ModelConfig& model) {
  const Kinds attention = {"gpt", "llama"};
  const Adder add{table, "model.kind"};
  add({.key = "model.layers",
       .value = std::ref(model.layers),
       .meaning = "blocks",
       .low = 1,
       .high = 256},
      attention);
  add({.key = "model.heads",
       .value = std::ref(model.heads),
       .meaning = "attention heads a block",
       .low = 1,
       .high = 256},
      attention);
  add({.key = "model.kv_heads",
       .value = std::ref(model.kv_heads),
       .meaning = "heads of keys and values",
       .low = 1,
       .high = 256},
      {"llama"});
  add({.key = "model.width",
       .value = std::ref(model.width),
       .meaning = "of the residual stream",
       .low = 1,
       .high = 16384},
      attention);
  add({.key = "model.ffn",
       .value = std::ref(model.ffn),
       .meaning = "width of the feed-forward layer",
       .low = 1,
       .high = 65536},
      {"llama"});
  add({.key = "model.tied",
       .value = std::ref(model.tied),
       .meaning = "the head reads the token table"},
      attention);
  add({.key = "model.checkpointing",
       .value = std::ref(model.checkpointing),
       .meaning = "compute blocks again in the backward pass: the same bits in less memory"},
      attention);
  add({.key = "model.precision",
       .value = std::ref(model.precision),
       .meaning = "of the model's transcendental functions",
       .choices = {"fast", "rounded"}},
      {"mlp", "gpt", "llama"});
  add({.key = "model.dropout",
       .value = std::ref(model.dropout),
       .meaning = "probability that an element is dropped",
       .high = 0.95},
      {"cnn", "gpt"});
}

void add_optimizer(std::vector<Field>& table, OptimizerConfig& optimizer) {
  const Adder add{table, "optimizer.kind"};
  add({.key = "optimizer.kind",
       .value = std::ref(optimizer.kind),
       .meaning = "the rule of a step",
       .choices = {"sgd", "adam", "adamw", "rmsprop"}},
      {});
  add({.key = "optimizer.lr",
       .value = std::ref(optimizer.lr),
       .meaning = "learning rate, at its peak",
       .high = 1e3},
      {});
  add({.key = "optimizer.betas",
       .value = std::ref(optimizer.betas),
       .meaning = "decay of the two moments",
       .high = 0.9999999,
       .count = 2},
      {"adam", "adamw"});
  add({.key = "optimizer.eps",
       .value = std::ref(optimizer.eps),
       .meaning = "added to the root",
       .high = 1},
      {"adam", "adamw", "rmsprop"});
  add({.key = "optimizer.alpha",
       .value = std::ref(optimizer.alpha),
       .meaning = "how much of the mean square is kept",
       .high = 0.9999999},
      {"rmsprop"});
  add({.key = "optimizer.centered",
       .value = std::ref(optimizer.centered),
       .meaning = "divide by the deviation of the gradient"},
      {"rmsprop"});
  add({.key = "optimizer.momentum",
       .value = std::ref(optimizer.momentum),
       .meaning = "how much of the velocity is kept",
       .high = 0.9999999},
      {"sgd", "rmsprop"});
  add({.key = "optimizer.nesterov",
       .value = std::ref(optimizer.nesterov),
       .meaning = "look ahead along the velocity"},
      {"sgd"});
  add({.key = "optimizer.weight_decay",
       .value = std::ref(optimizer.weight_decay),
       .meaning = "decoupled in adamw, otherwise part of the gradient",
       .high = 10},
      {"sgd", "adamw", "rmsprop"});
}

void add_schedule(std::vector<Field>& table, OptimizerConfig& optimizer) {
  table.insert(table.end(), {{.key = "optimizer.schedule",
                              .value = std::ref(optimizer.schedule),
                              .meaning = "of the learning rate after the warm-up",
                              .choices = {"constant", "cosine"}},
                             {.key = "optimizer.warmup",
                              .value = std::ref(optimizer.warmup),
                              .meaning = "steps in which the rate rises to its peak",
                              .high = kMany},
                             {.key = "optimizer.min_lr",
                              .value = std::ref(optimizer.min_lr),
                              .meaning = "the rate at the end of the cosine",
                              .high = 1e3},
                             {.key = "optimizer.clip_norm",
                              .value = std::ref(optimizer.clip_norm),
                              .meaning = "largest norm of all gradients together (0: no limit)",
                              .high = 1e9},
                             {.key = "optimizer.clip_value",
                              .value = std::ref(optimizer.clip_value),
                              .meaning = "largest size of one gradient (0: no limit)",
                              .high = 1e9},
                             {.key = "optimizer.accumulate",
                              .value = std::ref(optimizer.accumulate),
                              .meaning = "batches whose gradients one step takes the mean of",
                              .low = 1,
                              .high = 65536}});
}

void add_loop(std::vector<Field>& table, LoopConfig& loop) {
  table.insert(
      table.end(),
      {{.key = "train.steps",
        .value = std::ref(loop.steps),
        .meaning = "how long; give this or epochs",
        .high = kMany},
       {.key = "train.epochs",
        .value = std::ref(loop.epochs),
        .meaning = "how long, in passes over the training set",
        .high = 1e6},
       {.key = "train.batch",
        .value = std::ref(loop.batch),
        .meaning = "examples a batch: images, or windows of text",
        .low = 1,
        .high = 65536},
       {.key = "train.shards",
        .value = std::ref(loop.shards),
        .meaning = "equal parts of a batch, each with its own gradient, added in order: over so "
                   "many processes at most --mpi can share it",
        .low = 1,
        .high = 65536},
       {.key = "train.context",
        .value = std::ref(loop.context),
        .meaning = "tokens a window",
        .low = 1,
        .high = 65536,
        .kind = "model.kind",
        .kinds = {"gpt", "llama"}},
       {.key = "train.eval_every",
        .value = std::ref(loop.eval_every),
        .meaning = "steps between looks at the validation set (0: at the end only)",
        .high = kMany},
       {.key = "train.checkpoint_every",
        .value = std::ref(loop.checkpoint_every),
        .meaning = "steps between checkpoints (0: at the end only)",
        .high = kMany},
       {.key = "train.patience",
        .value = std::ref(loop.patience),
        .meaning = "stop after so many looks without a lower validation loss (0: never)",
        .high = kMany},
       {.key = "train.keep",
        .value = std::ref(loop.keep),
        .meaning = "which weights model.safetensors holds: the last, or those with the lowest "
                   "validation loss",
        .choices = {"last", "best"}}});
}

void add_sample(std::vector<Field>& table, SampleConfig& sample) {
  const std::size_t first = table.size();
  table.insert(table.end(), {{.key = "sample.prompt",
                              .value = std::ref(sample.prompt),
                              .meaning = "what the sample at the end begins with"},
                             {.key = "sample.tokens",
                              .value = std::ref(sample.tokens),
                              .meaning = "its length (0: no sample)",
                              .high = 65536},
                             {.key = "sample.temperature",
                              .value = std::ref(sample.temperature),
                              .meaning = "0: the likeliest token",
                              .high = 100},
                             {.key = "sample.top_k",
                              .value = std::ref(sample.top_k),
                              .meaning = "draw among the k likeliest (0: all)",
                              .high = 65536}});
  for (std::size_t i = first; i < table.size(); ++i) {
    table[i].kind = "model.kind";
    table[i].kinds = {"gpt", "llama"};
  }
}

}  // namespace

std::vector<Field> fields(Config& config) {
  std::vector<Field> table = {{.key = "seed",
                               .value = std::ref(config.seed),
                               .meaning = "of all randomness: first weights, batches, dropout",
                               .high = kMostSeed}};
  add_data(table, config.data);
  add_model(table, config.model);
  add_attention_model(table, config.model);
  add_optimizer(table, config.optimizer);
  add_schedule(table, config.optimizer);
  add_loop(table, config.train);
  add_sample(table, config.sample);
  table.push_back({.key = "ledger.level",
                   .value = std::ref(config.ledger),
                   .meaning = "how much every write leaves in ledger.jsonl",
                   .choices = {"off", "summary", "digest", "journal"}});
  for (Field& field : table) {
    if (field.kind.empty()) continue;
    const std::string& kind =
        field.kind == "model.kind" ? config.model.kind : config.optimizer.kind;
    field.applies = std::ranges::find(field.kinds, kind) != field.kinds.end();
  }
  return table;
}

}  // namespace palinode::experiments::train
