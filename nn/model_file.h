// Model files: a model as one safetensors file (tensor/safetensors.h; docs/models.md).
//
//   metadata   format "palinode", model (mlp, cnn, gpt, llama), config (JSON, model_config.h),
//              precision (rounded, fast), fingerprint and, with buffers, buffers_fingerprint of the
//              stores (hex), and what the writer adds
//   tensors    every parameter and buffer by its name; linear weights as [out, in], convolutions as
//              [c_out, c_in, kh, kw]
#pragma once

#include <map>
#include <memory>
#include <string>

#include "nn/model_config.h"
#include "tensor/ledger.h"
#include "tensor/safetensors.h"

namespace palinode::nn {

// The file's content, and the file, whole or not at all. `more` is added to the metadata; throws
// NameError if it names what is there already. Throws EnvironmentError if the file cannot be
// written.
SafetensorsFile model_content(const Network& network,
                              const std::map<std::string, std::string>& more = {});
void save_model(const std::string& path, const Network& network,
                const std::map<std::string, std::string>& more = {});

struct LoadedModel {
  ModelConfig config;
  const Store* store;
  const Store* buffers;  // none without BatchNorm
  std::unique_ptr<Network> network;
  std::map<std::string, std::string> metadata;
};

// Opens the store `name`, and `name`.buffers if the model has any, in the ledger and commits the
// file's values to them (reason load). Throws FormatError naming the file, before anything is
// opened, for a file that is not a model's, or a tensor that is missing, extra, or of another shape
// or type than the configuration asks for, or values of another fingerprint than the file states;
// NameError if the ledger has such a store.
LoadedModel load_model(Ledger& ledger, const std::string& path, const std::string& name = "theta");
LoadedModel load_model(Ledger& ledger, const SafetensorsFile& content, const std::string& path,
                       const std::string& name = "theta");

}  // namespace palinode::nn
