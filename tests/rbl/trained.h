// Units as training leaves them: every value of phi away from its start.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "rbl/attach.h"
#include "rbl/metrics.h"
#include "tests/rbl/zoo.h"

namespace palinode::rbl {

// Every kind with settings that are not the usual ones.
inline BehaviorConfig unusual(std::string_view kind) {
  BehaviorConfig config{.kind = std::string(kind)};
  if (kind == "lora" || kind == "dora") {
    config.settings = {{"rank", 3}, {"alpha", 0.1}, {"rank_stabilized", 1}};
  }
  if (kind == "adapter") config.settings = {{"width", 3}};
  if (kind == "prefix" || kind == "soft-prompt") config.settings = {{"length", 2}};
  return config;
}

inline BehaviorPointer trained(Ledger& ledger, const nn::Network& identity,
                               const BehaviorConfig& config, const std::string& name = "trained") {
  const Store& phi = ledger.open(name, Role::kBehavior);
  BehaviorPointer unit = make_behavior(phi, identity, config);
  ledger.commit(unit->init(Rng(5)));
  Proposal moved{.reason = Reason::kNoise, .proposer = "test"};
  for (const Entry& entry : phi.entries()) {
    const Rng rng = Rng(6).stream(entry.name);
    moved.writes.push_back(
        {&phi, PoolString(entry.name), rng.normal(entry.value.shape(), entry.value.dtype())});
  }
  ledger.commit(moved);
  return unit;
}

inline Tensor outputs(const zoo::Zoo& identity, const BehaviorPointer& unit) {
  return nn::evaluate(attach(*identity.model, unit), identity.x);
}

// A folder that goes away with the test.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_((std::filesystem::temp_directory_path() /
               ("palinode_" + name + "_" + std::to_string(getpid())))
                  .string()) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace palinode::rbl
