// Behavior: phi, a removable change of a frozen identity theta. It enters a pass through the seams
// of nn (nn/run.h) and holds its values in a store of its own, so whatever it does is gone when it
// is no longer attached.
//
//   const Store& phi = ledger.open("phi", Role::kBehavior);
//   const auto lora = make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 8}}});
//   ledger.commit(lora->init(rng));
//   const Attached function = attach(model, lora);     // attach.h
//
// The kinds are the rows of behavior_kinds(); each has a file in rbl/kinds. A new kind is a file
// and a row.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/network.h"
#include "tensor/rng.h"

namespace palinode::rbl {

struct BehaviorConfig {
  std::string kind;                     // a name of behavior_kinds()
  std::vector<std::string> sites = {};  // where it enters; none: everywhere its kind can
  std::map<std::string, double, std::less<>> settings = {};  // those of its kind, by name
};

class Behavior : public nn::Seam {
 public:
  // With every setting of its kind, and its sites by name.
  const BehaviorConfig& config() const { return config_; }
  std::string_view kind() const { return config_.kind; }
  const Store& phi() const { return *phi_; }
  const Store& theta() const { return *theta_; }
  // What phi holds, with the distributions it starts from.
  const nn::Parameters& parameters() const { return parameters_; }
  std::size_t elements() const;
  Dtype dtype() const { return dtype_; }

  // The first values, which change nothing for any kind but the two of tokens (prefix and
  // soft-prompt). Each is drawn from the stream of its name.
  Proposal init(const Rng& rng) const;
  Sha256Digest key() const override;

 protected:
  // A kind declares what phi will hold in its own constructor; the type is theta's. Throws
  // NameError for a store without the role behavior, or a theta without parameters.
  Behavior(const Store& phi, const nn::Network& identity, BehaviorConfig config);
  void declare(std::string name, const Shape& shape, nn::Init init,
               nn::Layout layout = nn::Layout::kSame);
  Var read(nn::Run& run, std::string_view name) const { return run.tape().parameter(*phi_, name); }

 private:
  const Store* phi_;
  const Store* theta_;
  BehaviorConfig config_;
  nn::Parameters parameters_;
  Dtype dtype_;
};

using BehaviorPointer = std::shared_ptr<const Behavior>;

struct Setting {
  std::string_view name;
  double usual;
  double least, most;
  bool whole = false;  // an integer
};

struct BehaviorKind {
  std::string_view name;
  std::string_view what;  // one line, for people
  std::span<const Setting> settings;
  // Where it can enter a network.
  std::vector<std::string> (*sites)(const nn::Network& identity);
  BehaviorPointer (*make)(const Store& phi, const nn::Network& identity,
                          const BehaviorConfig& config);
};

std::span<const BehaviorKind> behavior_kinds();
// Throws NameError listing the kinds.
const BehaviorKind& find_kind(std::string_view name);

// The identity's parameters must outlive the behavior. Throws NameError for a kind, a site or a
// setting that is not there, a setting out of its range, or a store without the role behavior.
BehaviorPointer make_behavior(const Store& phi, const nn::Network& identity, BehaviorConfig config);

}  // namespace palinode::rbl
