// A frozen identity with a runtime over it, for tests of the life cycle.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optim/adam.h"
#include "rbl/attach.h"
#include "rbl/runtime.h"
#include "tests/rbl/zoo.h"

namespace palinode::rbl {

struct World : zoo::Zoo {
  std::unique_ptr<Runtime> runtime;
  Sha256Digest theta_before = fingerprint(*theta);
  Tensor plain = nn::evaluate(*model, x);

  explicit World(const std::string& name = "mlp", RuntimeOptions options = {})
      : Zoo(name), runtime(std::make_unique<Runtime>(ledger, *model, std::move(options))) {}
  explicit World(RuntimeOptions options) : World("mlp", std::move(options)) {}

  Runtime& operator*() const { return *runtime; }
  Runtime* operator->() const { return runtime.get(); }

  // Values away from the start, drawn from the stream of the unit's name.
  static Proposal moved(const Store& phi, std::uint64_t seed = 7) {
    Proposal proposal{.reason = Reason::kNoise, .proposer = "test", .seed = seed};
    for (const Entry& entry : phi.entries()) {
      const Rng rng = Rng(seed).stream(phi.name() + "." + entry.name);
      proposal.writes.push_back(
          {&phi, entry.name, rng.normal(entry.value.shape(), entry.value.dtype())});
    }
    return proposal;
  }
  void move(const std::string& unit, std::uint64_t seed = 7) const {
    runtime->train(unit, [&](const nn::Model&, const Store& phi) { return moved(phi, seed); });
  }
  void make(const std::string& unit, const std::string& kind = "lora") const {
    BehaviorConfig config{.kind = kind};
    if (kind == "prefix" || kind == "soft-prompt") config.settings = {{"length", 2}};
    runtime->create(unit, config, Rng(5));
    move(unit);
  }
  void make_attached(const std::string& unit, const std::string& kind = "lora") const {
    make(unit, kind);
    runtime->attach(unit);
  }
  const Store& store(const std::string& name, Role role) {
    for (const Store* store : ledger.stores()) {
      if (store->name() == name) return *store;
    }
    return ledger.open(name, role);
  }
  void adam(const std::string& unit, int steps, const std::string& moments) {
    const Store& state = store(moments, Role::kOptimizer);
    for (int i = 0; i < steps; ++i) {
      runtime->train(unit, [&](const nn::Model& function, const Store& phi) {
        return optim::Adam(state, phi, {.lr = 0.05}).propose(gradients(function));
      });
    }
  }

  const Unit& unit(const std::string& name) const { return runtime->roster()->at(name); }
  State state(const std::string& name) const { return unit(name).state; }
  Tensor output() const { return nn::evaluate(runtime->function(), x); }
  std::size_t tape_size(const nn::Model& function) const {
    Tape tape;
    nn::Run run(tape);
    function.forward(run, tape.constant(x));
    return tape.size();
  }
  // The function of some units in that order, built without the runtime.
  Tensor output_of(const std::vector<std::string>& units) const {
    std::vector<std::unique_ptr<Attached>> functions;
    const nn::Model* top = model.get();
    for (const std::string& name : units) {
      functions.push_back(std::make_unique<Attached>(attach(*top, unit(name).behavior)));
      top = functions.back().get();
    }
    return nn::evaluate(*top, x);
  }
};

// Everything about a runtime that an operation which throws must leave alone.
struct Picture {
  std::vector<std::pair<std::string, State>> units;
  std::vector<std::string> stack;
  std::vector<std::string> active;
  Tensor output;
  Sha256Digest theta, head;

  static Picture of(const World& world) {
    Picture picture{.units = {},
                    .stack = world->roster()->stack,
                    .active = world->active(),
                    .output = world.output(),
                    .theta = fingerprint(*world.theta),
                    .head = world.ledger.head()};
    for (const auto& [name, unit] : world->roster()->units) {
      picture.units.emplace_back(name, unit->state);
    }
    return picture;
  }
  bool operator==(const Picture& other) const {
    return units == other.units && stack == other.stack && active == other.active &&
           same_bits(output, other.output) && theta == other.theta && head == other.head;
  }
};

}  // namespace palinode::rbl
