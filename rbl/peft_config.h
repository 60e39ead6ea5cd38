// adapter_config.json of a PEFT LoRA directory (huggingface/peft, src/peft/tuners/lora/config.py).
//
// A field either means something for what the adapter computes and is read, or it is known to mean
// nothing for it and is kept as a note, or its value switches it off; any other field is refused by
// its name, so no part of an adapter is lost without a word.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace palinode::rbl {

struct PeftConfig {
  std::uint64_t rank = 8;
  double alpha = 8;
  bool rank_stabilized = false, dora = false;
  // Names or ends of names of modules; none if the file has a pattern, which is not evaluated: then
  // the tensors say which modules there are.
  std::optional<std::vector<std::string>> targets = {};
  std::vector<std::string> excluded = {};
  std::optional<std::vector<std::uint64_t>> layers = {};
  std::vector<std::pair<std::string, std::uint64_t>> rank_pattern = {};
  std::vector<std::pair<std::string, double>> alpha_pattern = {};
  std::map<std::string, std::string> notes = {};  // as JSON

  // Of one module, by the first pattern that names it.
  std::uint64_t rank_of(std::string_view module) const;
  double alpha_of(std::string_view module) const;
  // Whether PEFT would adapt the module. Always, without a list of targets.
  bool adapts(std::string_view module) const;
};

// Throws FormatError beginning with `where` and naming the field.
PeftConfig parse_peft_config(std::string_view json, const std::string& where);

// The same for an adapter of one rank on these modules. Throws nothing.
std::string peft_config_json(const PeftConfig& config);

}  // namespace palinode::rbl
