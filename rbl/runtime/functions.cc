// The functions of a runtime. Each asks for the roster once a pass, so a pass is of one moment.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "rbl/runtime.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

using Units = std::span<const BehaviorPointer>;

// Inside of the later units the earlier ones, and innermost `base` if there is one: a later one is
// given what the earlier return.
Var pass(const nn::Model& model, nn::Run& run, Var x, Units units, const nn::Seam* base = nullptr) {
  if (!units.empty()) {
    nn::Run inner(run, *units.back());
    return pass(model, inner, x, units.first(units.size() - 1), base);
  }
  if (base == nullptr) return model.forward(run, x);
  nn::Run inner(run, *base);
  return model.forward(inner, x);
}

class Active : public nn::Model {
 public:
  Active(const Runtime& runtime, const nn::Model& identity)
      : runtime_(&runtime), identity_(&identity) {}
  Var forward(nn::Run& run, Var x) const override {
    const auto roster = runtime_->roster();
    return pass(*identity_, run, x, roster->active);
  }

 private:
  const Runtime* runtime_;
  const nn::Model* identity_;
};

class Selected : public nn::Model {
 public:
  Selected(const Runtime& runtime, const nn::Model& identity, std::vector<std::string> units)
      : runtime_(&runtime), identity_(&identity), units_(std::move(units)) {}
  Var forward(nn::Run& run, Var x) const override {
    const auto roster = runtime_->roster();
    std::vector<BehaviorPointer> chosen;
    for (const std::string& name : units_) {
      const Unit& unit = roster->at(name);
      if (!attached(unit.state)) {
        throw LifeCycleError(
            fmt::format("{}: selected, but it is {}, not attached", name, state_name(unit.state)));
      }
      chosen.push_back(unit.behavior);
    }
    return pass(*identity_, run, x, chosen);
  }

 private:
  const Runtime* runtime_;
  const nn::Model* identity_;
  std::vector<std::string> units_;
};

class Merged : public nn::Model {
 public:
  Merged(const Runtime& runtime, const nn::Model& identity, std::string copy)
      : runtime_(&runtime), identity_(&identity), copy_(std::move(copy)) {}
  Var forward(nn::Run& run, Var x) const override {
    const auto roster = runtime_->roster();
    const auto found = roster->copies.find(copy_);
    const auto fail = [&](std::string_view why) {
      throw LifeCycleError(fmt::format("merged copy {}: {}", copy_, why));
    };
    if (found == roster->copies.end()) {
      fail("there is none of that name");
    } else if (found->second.discarded) {
      fail("it was discarded");
    } else if (found->second.stopped) {
      fail("it was stopped");
    }
    for (const std::string& name : found->second.units) {
      const State state = roster->at(name).state;
      if (state == State::kQuarantined) fail(fmt::format("it holds {}, quarantined", name));
      if (state == State::kEnabled) fail(fmt::format("it holds {}, enabled as well", name));
    }
    return pass(*identity_, run, x, roster->active, found->second.seam.get());
  }

 private:
  const Runtime* runtime_;
  const nn::Model* identity_;
  std::string copy_;
};

}  // namespace

std::unique_ptr<nn::Model> Runtime::live() const {
  return std::make_unique<Active>(*this, *identity_);
}

std::unique_ptr<nn::Model> Runtime::select(std::vector<std::string> units) const {
  return std::make_unique<Selected>(*this, *identity_, std::move(units));
}

std::unique_ptr<nn::Model> Runtime::merged(std::string copy) const {
  return std::make_unique<Merged>(*this, *identity_, std::move(copy));
}

}  // namespace palinode::rbl
