// `palinode eval` and `palinode generate`: what a trained model is good for.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "experiments/behavior/stack.h"
#include "experiments/train/command.h"
#include "experiments/train/generate.h"
#include "experiments/train/model_io.h"
#include "experiments/train/report.h"
#include "experiments/train/run_folder.h"
#include "experiments/train/task.h"
#include "experiments/usage_error.h"
#include "tensor/gemm.h"

namespace palinode::experiments::train {
namespace {

// Which model: one of the two.
struct Source {
  std::string model, run;

  std::string path() const {
    if (model.empty() == run.empty()) throw UsageError("expected --model FILE or --run DIR");
    return model.empty() ? RunFolder(run).model() : model;
  }
};

void add_source(CLI::App& app, Source& source) {
  app.add_option("--model", source.model, "A model.safetensors of palinode train");
  app.add_option("--run", source.run, "The folder of a run, for the model in it");
}

// -------------------------------------------------------------------------------------------------

struct EvalOptions {
  Machine machine;
  Source source;
  BehaviorOptions behaviors;
  std::string data, dir, split;
  bool json = false;
};

const HeldOut& choose(const Task& task, const std::string& split, const std::string& data) {
  const HeldOut& test = task.test.empty() ? task.validation : task.test;
  if (split.empty()) return test;
  if (split == "validation") return task.validation;
  if (task.test.empty()) throw UsageError(fmt::format("--split test: {} has none", data));
  return test;
}

int run_eval(const EvalOptions& options) {
  const std::string path = options.source.path();
  apply(options.machine);
  TrainedModel model = load_trained(path);
  if (!options.data.empty()) model.config.data.name = options.data;
  if (!options.dir.empty()) model.config.data.dir = options.dir;
  const BehaviorStack stack(model, options.behaviors);
  const Task task = make_task(with_room(model.config, stack.prompt_rows()), model.tokenizer);
  check_fit(model, task);
  const std::string& data = model.config.data.name;
  const HeldOut& held_out = choose(task, options.split, data);
  const Evaluation evaluation = evaluate(stack.function(), held_out);
  if (options.json) {
    const nlohmann::ordered_json json = {{"model", path},
                                         {"behaviors", options.behaviors.files},
                                         {"data", data},
                                         {"split", held_out.name},
                                         {"backend", gemm_name(active_gemm())},
                                         {"same_bits_contract", active_gemm() == Gemm::kCanonical},
                                         {"result", to_json(evaluation)}};
    print(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return kDone;
  }
  print(stack.shown());
  print(fmt::format("{}, {}: {}\n", data, held_out.name, shown(evaluation)));
  if (const std::string warning = gemm_warning(); !warning.empty()) print(warning + "\n");
  return kDone;
}

// -------------------------------------------------------------------------------------------------

struct GenerateOptions {
  Machine machine;
  Source source;
  BehaviorOptions behaviors;
  GenerateRequest request;
};

int run_generate(const GenerateOptions& options) {
  if (std::isnan(options.request.temperature)) {  // which no range leaves out
    throw UsageError("--temperature: expected a number from 0 to 100, got nan");
  }
  const std::string path = options.source.path();
  apply(options.machine);
  const TrainedModel model = load_trained(path);
  const BehaviorStack stack(model, options.behaviors);
  fmt::print(stderr, "{}", stack.shown());
  const std::uint64_t context = with_room(model.config, stack.prompt_rows()).train.context;
  const auto show = [](std::string_view text) {
    print(text);
    std::fflush(stdout);
  };
  bool first = true;
  generate_text(model, stack.function(), context, options.request, [&](std::string_view text) {
    if (first) show(options.request.prompt);  // not before it is known to be a good one
    first = false;
    show(text);
  });
  print("\n");
  return kDone;
}

}  // namespace

Command add_eval_command(CLI::App& app) {
  CLI::App* eval = app.add_subcommand("eval", "Judge a trained model on held-out data");
  eval->footer(
      "Examples:\n"
      "  palinode eval --run runs/mnist_cnn\n"
      "  palinode eval --model runs/austen_gpt/model.safetensors --data kjv --json\n"
      "  palinode eval --run runs/austen_gpt --behavior kjv.safetensors --data kjv");
  const auto options = std::make_shared<EvalOptions>();
  add_source(*eval, options->source);
  add_behavior_options(*eval, options->behaviors);
  eval->add_option("--data", options->data,
                   "A data set, or a text file (default: what it was trained on)");
  eval->add_option("--data-dir", options->dir, "The folder of the data set's files");
  eval->add_option("--split", options->split, "Which part (default: test, of texts validation)")
      ->check(CLI::IsMember({"validation", "test"}));
  eval->add_flag("--json", options->json, "All digits, as JSON");
  add_machine_options(*eval, options->machine);
  return {eval, [options] { return run_eval(*options); }};
}

Command add_generate_command(CLI::App& app) {
  CLI::App* generate = app.add_subcommand("generate", "Continue a text with a language model");
  generate->footer(
      "Example:\n"
      "  palinode generate --run runs/austen_gpt --prompt \"It is a truth \" --tokens 400");
  const auto options = std::make_shared<GenerateOptions>();
  GenerateRequest& request = options->request;
  add_source(*generate, options->source);
  add_behavior_options(*generate, options->behaviors);
  generate->add_option("--prompt", request.prompt, "What the text begins with")->required();
  generate->add_option("--tokens", request.tokens, "How many tokens to write")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 30))
      ->capture_default_str();
  generate->add_option("--temperature", request.temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  generate->add_option("--top-k", request.top_k, "Draw among the k likeliest (0: all)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 16))
      ->capture_default_str();
  generate->add_option("--seed", request.seed, "Of the draws")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))
      ->capture_default_str();
  add_machine_options(*generate, options->machine);
  return {generate, [options] { return run_generate(*options); }};
}

}  // namespace palinode::experiments::train
