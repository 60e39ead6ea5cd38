// ModelConfig: the configuration of any of the four models, and its text in a model file.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "nn/cnn.h"
#include "nn/gpt.h"
#include "nn/llama.h"
#include "nn/mlp.h"

namespace palinode::nn {

using ModelConfig = std::variant<MlpConfig, CnnConfig, GptConfig, LlamaConfig>;

ModelConfig config_of(const Network& network);

std::string_view kind_of(const ModelConfig& config);  // "mlp", "cnn", "gpt", "llama"

// A JSON object of all fields by name; enumerations by their names below.
std::string to_json(const ModelConfig& config);
// The same back. Fields that are missing keep their defaults. Throws FormatError, beginning with
// `where`, for an unknown kind or field, a value of the wrong type or out of range, or no JSON.
ModelConfig model_config_from_json(std::string_view kind, std::string_view json,
                                   const std::string& where);

// The model over its store; `buffers` only for one with BatchNorm. Throws as its constructor.
std::unique_ptr<Network> make_network(const ModelConfig& config, const Store& store,
                                      const Store* buffers = nullptr);

bool needs_buffers(const ModelConfig& config);
Precision precision_of(const ModelConfig& config);

std::string_view name_of(Activation activation);  // "tanh", "relu", "gelu", "sigmoid", "silu"
std::string_view name_of(Pooling pooling);        // "max", "average"
std::string_view name_of(Precision precision);    // "rounded", "fast"

}  // namespace palinode::nn
