// Soft prompt: `length` trained rows stand before the embedded tokens of each sequence and take its
// first positions, so that much less of the context is left (Lester et al., arXiv:2104.08691). They
// start as GPT-2's weights do.
#include <string>

#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {
namespace {

constexpr std::string_view kRows = "tokens.prompt";

class SoftPrompt : public Behavior {
 public:
  SoftPrompt(const Store& phi, const nn::Network& identity, const BehaviorConfig& config)
      : Behavior(phi, identity, config) {
    const auto length = static_cast<std::size_t>(config.settings.at("length"));
    declare(std::string(kRows), {length, identity.embedding_width()}, nn::gpt2());
  }

  std::optional<Var> prompt(nn::Run& run) const override { return read(run, kRows); }
};

}  // namespace

BehaviorPointer soft_prompt(const Store& phi, const nn::Network& identity,
                            const BehaviorConfig& config) {
  return std::make_shared<SoftPrompt>(phi, identity, config);
}

}  // namespace palinode::rbl::kinds
