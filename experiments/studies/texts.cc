#include "experiments/studies/texts.h"

#include <fmt/format.h>

#include <utility>

#include "nn/generate.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

class Read : public rbl::Rollback {
 public:
  Read(std::unique_ptr<rbl::Rollback> arm, std::function<void(const nn::Model&)> read)
      : Rollback(arm->id()), arm_(std::move(arm)), read_(std::move(read)) {}

  std::string variant() const override { return arm_->variant(); }
  void before(const Store& theta) override { arm_->before(theta); }
  void after_step(const Store& theta) override { arm_->after_step(theta); }
  void after_optimizer(const Store& state) override { arm_->after_optimizer(state); }
  void after(const Store& theta) override { arm_->after(theta); }
  std::uint64_t bytes_kept() const override { return arm_->bytes_kept(); }

 protected:
  void roll_back(rbl::Subject& subject) override {
    arm_->undo(subject);
    const rbl::Price paid = arm_->price();
    count({.passes = paid.passes, .flops = paid.flops});
    read_(subject.function());
  }

 private:
  std::unique_ptr<rbl::Rollback> arm_;
  std::function<void(const nn::Model&)> read_;
};

}  // namespace

Texts greedy_texts(const nn::Model& function, const Tensor& prompts, const TextConfig& config) {
  const bool rows = prompts.shape().rank() == 2 && prompts.dtype() == Dtype::kI32;
  if (!rows || config.prompt == 0 || config.prompt > prompts.shape()[1]) {
    throw ShapeError(fmt::format("greedy texts: needs prompts of {} tokens, got {}", config.prompt,
                                 prompts.describe()));
  }
  const std::size_t time = prompts.shape()[1];
  const Tensor whole = prompts.compact();
  Texts texts;
  for (std::size_t i = 0; i < prompts.shape()[0]; ++i) {
    const auto row = whole.values<std::int32_t>().subspan(i * time, config.prompt);
    nn::Generator generator(function, {row.begin(), row.end()},
                            {.context = config.context, .sampling = {.temperature = 0}}, Rng(0));
    std::vector<std::int32_t>& text = texts.emplace_back();
    for (std::size_t t = 0; t < config.length; ++t) text.push_back(generator.next());
  }
  return texts;
}

double share_equal(const Texts& before, const Texts& after) {
  if (before.empty() || before.size() != after.size()) {
    throw ShapeError(fmt::format("share of equal texts: needs as many on both sides, got {} and {}",
                                 before.size(), after.size()));
  }
  std::size_t equal = 0;
  for (std::size_t i = 0; i < before.size(); ++i) equal += before[i] == after[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(before.size());
}

std::unique_ptr<rbl::Rollback> read_after(std::unique_ptr<rbl::Rollback> arm,
                                          std::function<void(const nn::Model& recovered)> read) {
  return std::make_unique<Read>(std::move(arm), std::move(read));
}

}  // namespace palinode::experiments
