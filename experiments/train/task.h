// What a run learns: numbered batches to learn from, and held-out data to be judged by.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "experiments/data_sets/labelled.h"
#include "experiments/tokenizer/tokenizer.h"
#include "experiments/train/config.h"
#include "experiments/train/metrics.h"
#include "nn/run.h"
#include "tensor/rng.h"

namespace palinode::experiments::train {

// Batches by number: the same number always gives the same batch, so a resumed run needs nothing
// but its position.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual Labelled at(std::uint64_t number) = 0;
  virtual std::uint64_t per_epoch() const = 0;
};

// x has one example a row, y one label for each image or for each token.
struct HeldOut {
  std::string name;  // "validation", "test"
  Labelled set;
  std::uint64_t bytes = 0;  // of text behind the labels
  bool empty() const { return set.y.empty(); }
};

struct Task {
  Unit unit = Unit::kSamples;
  std::unique_ptr<BatchSource> batches;
  HeldOut validation;       // looked at while training
  HeldOut test;             // looked at once, at the end; empty for texts
  Shape example;            // of one image: [h, w, c]
  std::size_t classes = 0;  // or the size of the vocabulary
  std::optional<Tokenizer> tokenizer;
};

// Loads the data set that the config names, or a text of one's own if the name has a dot or a
// slash in it. A text is cut into tokens by `tokenizer` if there is one, otherwise by the one that
// the config asks for. Throws ConfigError if the set and the model do not fit, and otherwise as
// data_set.h does.
Task make_task(const Config& config, const std::optional<Tokenizer>& tokenizer = std::nullopt);

// Mean loss and accuracy over a held-out set, independent of how it is cut into batches: the log
// probabilities are taken in f64 and added in the order of the labels. Of equal logits the first
// counts as the greatest.
Evaluation evaluate(const nn::Model& model, const HeldOut& held_out);

}  // namespace palinode::experiments::train
