// The kinds of behaviors, for the table in behavior.cc: where each can enter a network, its
// settings, and how it is made. A config that comes here has its sites and all its settings.
#pragma once

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "rbl/behavior.h"

namespace palinode::rbl::kinds {

// --- Sites ---

// Linear layers, by name; linear layers and convolutions; attentions; the place before the tokens;
// parameters with one axis; all parameters. A parameter is a site by its own name.
std::vector<std::string> matrices(const nn::Network& identity);
std::vector<std::string> layers(const nn::Network& identity);
std::vector<std::string> attentions(const nn::Network& identity);
std::vector<std::string> prompts(const nn::Network& identity);
std::vector<std::string> vectors(const nn::Network& identity);
std::vector<std::string> tensors(const nn::Network& identity);

// --- Settings ---

inline constexpr double kMaxRank = 65536;
inline constexpr std::array kLoraSettings = {
    Setting{"rank", 4, 1, kMaxRank, true},
    Setting{"alpha", 8, 0, 1e9},
    // alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski, arXiv:2312.03732)
    Setting{"rank_stabilized", 0, 0, 1, true},
};
inline constexpr std::array kDoraSettings = kLoraSettings;
inline constexpr std::array kAdapterSettings = {Setting{"width", 8, 1, kMaxRank, true}};
inline constexpr std::array kPrefixSettings = {Setting{"length", 8, 1, kMaxRank, true}};
inline constexpr std::array kPromptSettings = {Setting{"length", 8, 1, kMaxRank, true}};

// --- Kinds ---

BehaviorPointer lora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);
BehaviorPointer dora(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);
BehaviorPointer ia3(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);
BehaviorPointer adapter(const Store& phi, const nn::Network& identity,
                        const BehaviorConfig& config);
BehaviorPointer prefix(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);
BehaviorPointer soft_prompt(const Store& phi, const nn::Network& identity,
                            const BehaviorConfig& config);
BehaviorPointer delta(const Store& phi, const nn::Network& identity, const BehaviorConfig& config);

}  // namespace palinode::rbl::kinds
