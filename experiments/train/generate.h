// Text written by a trained language model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "experiments/train/model_io.h"

namespace palinode::experiments::train {

struct GenerateRequest {
  std::string prompt;
  std::uint64_t tokens = 200;
  double temperature = 0.8;
  std::uint64_t top_k = 0;  // 0: all
  std::uint64_t seed = 1;   // of the stream "generate"
};

// Hands the continuation, without the prompt, to `sink` as it comes, in pieces of valid UTF-8. The
// text depends on the model and the request only. Throws UsageError if the model is no language
// model, and for a prompt that is empty or that its tokenizer does not know.
void generate_text(const TrainedModel& model, const GenerateRequest& request,
                   const std::function<void(std::string_view)>& sink);
// By the model with behaviors attached, which leaves `context` tokens of room.
void generate_text(const TrainedModel& model, const nn::Model& function, std::uint64_t context,
                   const GenerateRequest& request,
                   const std::function<void(std::string_view)>& sink);

}  // namespace palinode::experiments::train
