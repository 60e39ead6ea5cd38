#include "experiments/behavior/stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "experiments/train/build.h"
#include "experiments/usage_error.h"
#include "nn/model_config.h"

namespace palinode::experiments {

void add_behavior_options(CLI::App& app, BehaviorOptions& options) {
  app.add_option("--behavior", options.files,
                 "A behavior file to attach; several are attached in their order")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_flag("--force", options.force,
               "Take a behavior that was made for another identity, and record that");
}

BehaviorStack::BehaviorStack(const train::TrainedModel& model, const BehaviorOptions& options)
    : model_(&model), files_(options.files) {
  const auto other = options.force ? rbl::OtherIdentity::kForce : rbl::OtherIdentity::kRefuse;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    units_.push_back(rbl::load_behavior(*model.ledger, *model.network, files_[i],
                                        fmt::format("phi.{}", i), other));
  }
  for (const rbl::LoadedBehavior& loaded : units_) {
    attached_.push_back(rbl::attach(function(), loaded.unit));
  }
}

const nn::Model& BehaviorStack::function() const {
  if (attached_.empty()) return *model_->network;
  return attached_.back();
}

std::size_t BehaviorStack::detach_last() {
  rbl::detach(std::move(attached_.back()));
  attached_.pop_back();
  return attached_.size();
}

std::uint64_t BehaviorStack::prompt_rows() const {
  std::uint64_t rows = 0;
  for (const rbl::LoadedBehavior& loaded : units_) {
    const rbl::BehaviorConfig& config = loaded.unit->config();
    if (config.kind != "soft-prompt") continue;
    rows += static_cast<std::uint64_t>(config.settings.at("length"));
  }
  return rows;
}

std::string BehaviorStack::name(std::size_t place) const {
  const rbl::LoadedBehavior& loaded = units_.at(place);
  return fmt::format("{} with {} values, {}{}", loaded.unit->kind(), loaded.unit->elements(),
                     files_[place], loaded.forced ? " (forced onto another identity)" : "");
}

std::string BehaviorStack::shown() const {
  std::string text;
  for (std::size_t i = 0; i < attached_.size(); ++i) {
    text += fmt::format("active      {}\n", name(i));
  }
  return text;
}

train::Config with_room(train::Config config, std::uint64_t prompt_rows) {
  if (prompt_rows == 0) return config;
  if (prompt_rows + 2 > config.train.context) {
    throw UsageError(fmt::format("a soft prompt of {} rows leaves no room in a context of {}",
                                 prompt_rows, config.train.context));
  }
  config.train.context -= prompt_rows;
  return config;
}

void check_fit(const train::TrainedModel& model, const train::Task& task) {
  const nn::ModelConfig wanted = train::model_config(model.config, task.example, task.classes);
  if (nn::to_json(wanted) == nn::to_json(nn::config_of(*model.network))) return;
  throw UsageError(fmt::format("--data {}: the model takes other images or knows other classes",
                               model.config.data.name));
}

Tensor probes_of(const train::TrainedModel& model, std::uint64_t prompt_rows, std::size_t most) {
  const train::Task task = train::make_task(with_room(model.config, prompt_rows), model.tokenizer);
  check_fit(model, task);
  const Tensor& x = task.validation.set.x;
  return x.rows(0, std::min(most, x.shape()[0])).compact();
}

void check_free(const std::string& out, bool overwrite) {
  if (overwrite || !std::filesystem::exists(out)) return;
  throw UsageError(fmt::format("{}: is there already; --overwrite replaces it", out));
}

}  // namespace palinode::experiments
