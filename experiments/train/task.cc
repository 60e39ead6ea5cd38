#include "experiments/train/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "experiments/data_sets/data_set.h"
#include "experiments/train/image_task.h"
#include "experiments/train/text_task.h"
#include "rbl/metrics.h"
#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

constexpr std::size_t kLabelsAtOnce = 4096;  // bounds the memory of a look; changes no bit

struct Sums {
  double loss = 0;
  std::uint64_t right = 0;
};

void add_rows(Sums& sums, const Tensor& logits, std::span<const std::int32_t> labels) {
  const Tensor log_p = rbl::log_probabilities(logits);
  const std::span<const double> values = log_p.values<double>();
  const std::size_t classes = log_p.shape().last();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span<const double> row = values.subspan(i * classes, classes);
    const auto label = static_cast<std::size_t>(labels[i]);
    sums.loss = sums.loss - row[label];
    sums.right += static_cast<std::uint64_t>(std::ranges::max_element(row) ==
                                             row.begin() + static_cast<std::ptrdiff_t>(label));
  }
}

// A file of one's own and no data set of the table.
bool is_path(std::string_view name) { return name.find_first_of("./") != std::string_view::npos; }

const DataSet& named_set(const std::string& name) {
  try {
    return data_set(name);
  } catch (const NameError& error) {
    throw ConfigError(fmt::format("data.name: {}", error.what()));
  }
}

}  // namespace

Task make_task(const Config& config, const std::optional<Tokenizer>& tokenizer) {
  const std::string& name = config.data.name;
  if (is_path(name)) {
    if (!config.language_model()) {
      throw ConfigError(
          fmt::format("data.name: {}: a file is read as a text; an {} learns from "
                      "images",
                      name, config.model.kind));
    }
    return text_task(config, read_text(name), tokenizer);
  }
  const DataSet& set = named_set(name);
  const bool text = set.text != nullptr;
  if (text != config.language_model()) {
    throw ConfigError(fmt::format("data.name: {} holds {}; model.kind {} learns from {}", name,
                                  text ? "text" : "images", config.model.kind,
                                  text ? "images" : "text"));
  }
  return text ? text_task(config, load_text(set), tokenizer) : image_task(config, set);
}

Evaluation evaluate(const nn::Model& model, const HeldOut& held_out) {
  const Tensor& x = held_out.set.x;
  const std::span<const std::int32_t> labels = held_out.set.y.values<std::int32_t>();
  if (labels.empty()) throw ShapeError(fmt::format("evaluate: no {} examples", held_out.name));
  const std::size_t examples = x.shape()[0], per_example = labels.size() / examples;
  const std::size_t step = std::max<std::size_t>(1, kLabelsAtOnce / per_example);
  Sums sums;
  for (std::size_t begin = 0; begin < examples; begin += step) {
    const std::size_t end = std::min(examples, begin + step);
    add_rows(sums, nn::evaluate(model, x.rows(begin, end)),
             labels.subspan(begin * per_example, (end - begin) * per_example));
  }
  const auto count = static_cast<double>(labels.size());
  return {sums.loss / count, static_cast<double>(sums.right) / count, labels.size(),
          held_out.bytes};
}

}  // namespace palinode::experiments::train
