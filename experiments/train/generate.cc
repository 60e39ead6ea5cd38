#include "experiments/train/generate.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "experiments/train/utf8.h"
#include "experiments/usage_error.h"
#include "nn/generate.h"

namespace palinode::experiments::train {
namespace {

std::vector<std::int32_t> encoded(const Tokenizer& tokenizer, const std::string& prompt) {
  if (prompt.empty()) throw UsageError("the prompt is empty; expected at least one token");
  try {
    const std::vector<Token> tokens = tokenizer.encode(prompt);
    return {tokens.begin(), tokens.end()};
  } catch (const FormatError& error) {
    throw UsageError(fmt::format("the prompt: {}", error.what()));
  }
}

}  // namespace

void generate_text(const TrainedModel& model, const GenerateRequest& request,
                   const std::function<void(std::string_view)>& sink) {
  generate_text(model, *model.network, model.config.train.context, request, sink);
}

void generate_text(const TrainedModel& model, const nn::Model& function, std::uint64_t context,
                   const GenerateRequest& request,
                   const std::function<void(std::string_view)>& sink) {
  if (!model.tokenizer) {
    throw UsageError(
        fmt::format("expected a language model, got model.kind {}", model.config.model.kind));
  }
  const nn::GenerateConfig config{
      .context = context, .sampling = {.temperature = request.temperature, .top_k = request.top_k}};
  nn::Generator generator(function, encoded(*model.tokenizer, request.prompt), config,
                          Rng(request.seed).stream("generate"));
  Utf8Stream text;
  for (std::uint64_t i = 0; i < request.tokens; ++i) {
    const auto token = static_cast<Token>(generator.next());
    sink(text.add(model.tokenizer->bytes_of(token)));
  }
  sink(text.finish());
}

}  // namespace palinode::experiments::train
