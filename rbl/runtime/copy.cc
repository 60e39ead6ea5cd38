#include "rbl/runtime/copy.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "autograd/ops.h"

namespace palinode::rbl {
namespace {

class Reading : public nn::Seam {
 public:
  Reading(const Store& theta, const Store& copy) : theta_(&theta), copy_(&copy) {}

  Var parameter(nn::Run& run, const Store& store, std::string_view name,
                Var stored) const override {
    return &store == theta_ ? run.tape().parameter(*copy_, name) : stored;
  }
  Sha256Digest key() const override {
    return Sha256().add("copy").add(content_key(*copy_)).finish();
  }

 private:
  const Store* theta_;
  const Store* copy_;
};

}  // namespace

SeamPointer reading(const Store& theta, const Store& copy) {
  return std::make_shared<Reading>(theta, copy);
}

bool mergeable(std::string_view kind) {
  constexpr std::array<std::string_view, 3> kSums = {"lora", "bias", "dense"};
  return std::ranges::find(kSums, kind) != kSums.end();
}

Tensor with_behavior(const Behavior& behavior, const std::string& name, const Tensor& value) {
  Tape tape;
  nn::Run run(tape);
  const Var stored = tape.constant(value);
  if (behavior.kind() != "lora") {
    return behavior.parameter(run, behavior.theta(), name, stored).value();
  }
  constexpr std::string_view kWeight = ".weight";
  if (!name.ends_with(kWeight)) return value;
  const std::string site = name.substr(0, name.size() - kWeight.size());
  const BehaviorConfig& config = behavior.config();
  if (std::ranges::find(config.sites, site) == config.sites.end()) return value;
  const double rank = config.settings.at("rank");
  const bool stabilized = config.settings.at("rank_stabilized") != 0;
  const double scaling = config.settings.at("alpha") / (stabilized ? std::sqrt(rank) : rank);
  const Var a = tape.parameter(behavior.phi(), site + ".lora_A");
  const Var b = tape.parameter(behavior.phi(), site + ".lora_B");
  const Var change = scale(matmul(a, b), scaling);
  return add(stored, change).value();
}

}  // namespace palinode::rbl
