#include "experiments/train/text_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "experiments/data_sets/windows.h"
#include "experiments/tokenizer/byte_pairs.h"
#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

class TextBatches : public BatchSource {
 public:
  TextBatches(std::vector<Token> tokens, const Rng& rng, const LoopConfig& train)
      : tokens_(std::move(tokens)),
        windows_(tokens_, rng.stream("batches"), train.batch, train.context),
        per_epoch_(std::max<std::uint64_t>(1, tokens_.size() / (train.batch * train.context))) {}

  Labelled at(std::uint64_t number) override { return windows_.at(number); }
  std::uint64_t per_epoch() const override { return per_epoch_; }

 private:
  std::vector<Token> tokens_;
  Windows windows_;
  std::uint64_t per_epoch_;
};

HeldOut cover(std::vector<Token> tokens, const Config& config, const Tokenizer& tokenizer) {
  const std::size_t context = config.train.context;
  if (config.data.validation > 0) {
    const std::size_t windows = (config.data.validation + context - 1) / context;
    tokens.resize(std::min(tokens.size(), windows * context + 1));
  }
  const std::size_t windows = tokens.empty() ? 0 : (tokens.size() - 1) / context;
  HeldOut held_out{"validation",
                   WindowCover(tokens, std::max<std::size_t>(1, windows), context).at(0)};
  for (const std::int32_t token : held_out.set.y.values<std::int32_t>()) {
    held_out.bytes += tokenizer.bytes_of(static_cast<Token>(token)).size();
  }
  return held_out;
}

void check_length(const Config& config, std::string_view part, std::size_t tokens) {
  if (tokens > config.train.context) return;
  throw FormatError(fmt::format("{}: its {} part has {} tokens; a context of {} needs {} at least",
                                config.data.name, part, tokens, config.train.context,
                                config.train.context + 1));
}

}  // namespace

Tokenizer make_tokenizer(const Config& config, const Text& text) {
  if (config.data.tokenizer == "bytes") return byte_tokenizer(text.bytes);
  if (config.data.tokenizer == "all-bytes") return all_bytes_tokenizer();
  return train_byte_pairs(text.train(), config.data.merges);
}

Task text_task(const Config& config, const Text& text, const std::optional<Tokenizer>& tokenizer) {
  Task task;
  task.unit = Unit::kTokens;
  task.tokenizer = tokenizer ? *tokenizer : make_tokenizer(config, text);
  task.classes = task.tokenizer->size();
  std::vector<Token> train = task.tokenizer->encode(text.train());
  std::vector<Token> validation = task.tokenizer->encode(text.validation());
  check_length(config, "training", train.size());
  check_length(config, "validation", validation.size());
  task.validation = cover(std::move(validation), config, *task.tokenizer);
  task.batches = std::make_unique<TextBatches>(std::move(train), Rng(config.seed), config.train);
  return task;
}

}  // namespace palinode::experiments::train
