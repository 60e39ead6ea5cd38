#include "rbl/peft_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// A site is "block.<i>.<part>" or stands by itself.
struct Place {
  std::string layer, part;  // "3" and "mlp.up", or "" and "head"
};

Place place_of(const std::string& site) {
  constexpr std::string_view kBlock = "block.";
  if (!site.starts_with(kBlock)) return {"", site};
  const std::size_t dot = site.find('.', kBlock.size());
  return {site.substr(kBlock.size(), dot - kBlock.size()), site.substr(dot + 1)};
}

using Parts = std::array<std::pair<std::string_view, std::string_view>, 5>;
constexpr Parts kLlamaParts = {{{"attn.out", "self_attn.o_proj"},
                                {"mlp.gate", "mlp.gate_proj"},
                                {"mlp.up", "mlp.up_proj"},
                                {"mlp.down", "mlp.down_proj"},
                                {"head", "lm_head"}}};
constexpr Parts kGpt2Parts = {{{"attn.qkv", "attn.c_attn"},
                               {"attn.out", "attn.c_proj"},
                               {"mlp.up", "mlp.c_fc"},
                               {"mlp.down", "mlp.c_proj"},
                               {"head", "lm_head"}}};

std::size_t keys_width(const nn::Network& identity, const std::string& site) {
  for (const nn::AttentionSite& attention : identity.attentions()) {
    if (site == attention.name + ".qkv") return attention.width;
  }
  PALINODE_ASSERT(false);
}

void add_llama_attention(std::vector<PeftModule>& modules, const nn::Network& identity,
                         const std::string& site, const std::string& prefix, std::size_t out) {
  const std::size_t keys = keys_width(identity, site), queries = out - 2 * keys;
  modules.push_back({prefix + "self_attn.q_proj", site, 0, queries});
  modules.push_back({prefix + "self_attn.k_proj", site, queries, queries + keys});
  modules.push_back({prefix + "self_attn.v_proj", site, queries + keys, out});
}

}  // namespace

PeftNames peft_names(std::string_view name) {
  if (name == "own") return PeftNames::kOwn;
  if (name == "llama") return PeftNames::kLlama;
  if (name == "gpt2") return PeftNames::kGpt2;
  throw NameError(fmt::format("peft: no names called {}; there are own, llama, gpt2", name));
}

std::vector<PeftModule> peft_modules(const nn::Network& identity, PeftNames names) {
  const bool llama = names == PeftNames::kLlama;
  const std::string_view wanted = llama ? "llama" : "gpt";
  if (names != PeftNames::kOwn && identity.kind() != wanted) {
    throw NameError(fmt::format("peft: these are the names of a {}, the identity is a {}", wanted,
                                identity.kind()));
  }
  const Parts& parts = llama ? kLlamaParts : kGpt2Parts;
  const std::string_view layers = llama ? "model.layers" : "transformer.h";
  std::vector<PeftModule> modules;
  for (const std::string& site : identity.sites()) {
    const std::size_t out = identity.store().at(site + ".weight").shape()[1];
    if (names == PeftNames::kOwn) {
      modules.push_back({site, site, 0, out});
      continue;
    }
    const Place place = place_of(site);
    const std::string prefix =
        place.layer.empty() ? "" : fmt::format("{}.{}.", layers, place.layer);
    if (llama && place.part == "attn.qkv") {
      add_llama_attention(modules, identity, site, prefix, out);
      continue;
    }
    const auto* part = std::ranges::find(parts, place.part, &Parts::value_type::first);
    PALINODE_ASSERT(part != parts.end());
    modules.push_back({prefix + std::string(part->second), site, 0, out});
  }
  return modules;
}

}  // namespace palinode::rbl
