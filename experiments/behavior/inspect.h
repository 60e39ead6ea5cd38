// What a file holds, whichever of the project's files it is.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace palinode::experiments {

struct Inspection {
  std::string kind;  // "model", "behavior", "checkpoint", "safetensors", "ledger", "PEFT adapter"
  nlohmann::ordered_json json;
  std::string text;
  bool sound = true;  // not so for a ledger whose chain is broken
};

// Reads all of the file, and checks what it states about itself: fingerprints of a model, digest
// and manifest of a behavior, the chain of a ledger. With the model file `identity`, also that a
// behavior or adapter loads onto it; its layers have our own names there. Throws FormatError for
// what is damaged, or none of these.
Inspection inspect(const std::string& path, const std::string& identity = {});

}  // namespace palinode::experiments
