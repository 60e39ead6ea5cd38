// What PEFT calls the layers of an identity.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nn/network.h"

namespace palinode::rbl {

enum class PeftNames : std::uint8_t {
  kOwn,    // our own: "block.0.attn.qkv"
  kLlama,  // Hugging Face's LlamaForCausalLM: "model.layers.0.self_attn.q_proj"
  kGpt2,   // Hugging Face's GPT2LMHeadModel: "transformer.h.0.attn.c_attn"
};

// "own", "llama", "gpt2"; throws NameError for another.
PeftNames peft_names(std::string_view name);

// A module in PEFT's sense, and the columns [begin, end) of the site's output that it gives.
struct PeftModule {
  std::string name, site;
  std::size_t begin, end;
};

// Every layer that a low-rank behavior can enter. Throws NameError if the identity is not of the
// architecture the names are of.
std::vector<PeftModule> peft_modules(const nn::Network& identity, PeftNames names);

}  // namespace palinode::rbl
