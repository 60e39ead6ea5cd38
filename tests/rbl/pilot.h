// A small identity, an adaptation of it, and what each rollback makes of that: the set-up of the
// tests of the arms. A 16-48-48-10 tanh MLP learns ten Gaussian classes; the adaptation has shifted
// inputs and labels moved by one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "rbl/course.h"
#include "rbl/metrics.h"
#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"

namespace palinode::rbl {

struct Batch {
  Tensor x, y;
};

inline constexpr std::size_t kIn = 16, kClasses = 10;

// Where the classes are, and where the adaptation's inputs moved to.
struct World {
  std::array<double, kClasses * kIn> centers{};
  std::array<double, kIn> shift{};

  World() {
    const Rng rng(7);
    for (std::size_t i = 0; i < centers.size(); ++i) centers[i] = rng.stream("centers").normal(i);
    for (std::size_t i = 0; i < kIn; ++i) shift[i] = 0.7 * rng.stream("shift").normal(i);
  }
};

// Rows of task 0 (original) or 1 (the adaptation's), drawn from a stream.
inline Batch draw(const Rng& stream, std::size_t rows, int task) {
  static const World world;
  const Rng noise = stream.stream("noise"), labels = stream.stream("labels");
  std::vector<float> x(rows * kIn);
  std::vector<std::int32_t> y(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t label = labels.below(r, kClasses);
    y[r] = static_cast<std::int32_t>((label + static_cast<std::uint64_t>(task)) % kClasses);
    for (std::size_t i = 0; i < kIn; ++i) {
      const double moved = task == 0 ? 0.0 : world.shift[i];
      x[r * kIn + i] = static_cast<float>(world.centers[label * kIn + i] + moved +
                                          0.6 * noise.normal(r * kIn + i));
    }
  }
  return {Tensor::from<float>(x, {rows, kIn}), Tensor::from<std::int32_t>(y, {rows})};
}

// Step t has a batch of its own.
inline Loss loss_of(int task, const Rng& rng) {
  return [task, rng](nn::Run& run, const nn::Model& function, std::uint64_t t) {
    const Batch batch = draw(rng.stream(t), 32, task);
    const Var x = run.tape().constant(batch.x);
    const Var logits = function.forward(run, x);
    return cross_entropy(logits, batch.y);
  };
}

struct Pilot {
  static constexpr std::uint64_t kBaseSteps = 800;

  explicit Pilot(std::uint64_t seed = 1) : rng(seed) {
    for (const auto& [name, value] : trained(seed)) {
      base.writes.push_back({&original, PoolString(name), value, true});
    }
    ledger.commit(base);
    probes = draw(rng.stream("probes"), 768, 0).x;
    log_p = log_probabilities(nn::evaluate(model, probes));
  }

  static nn::MlpConfig config() { return {.sizes = {16, 48, 48, 10}}; }
  static Course base_course(const Rng& rng) {
    return {loss_of(0, rng.stream("original")), adam({.lr = 3e-3}), kBaseSteps};
  }
  Course adaptation(const MakeOptimizer& optimizer, std::uint64_t steps) const {
    return {loss_of(1, rng.stream("adaptation")), optimizer, steps};
  }
  // Original data that the identity was not trained on, for the arms that train.
  Course back(std::uint64_t steps) const {
    return {loss_of(0, rng.stream("back")), adam({.lr = 1e-3}), steps};
  }

  // A copy of the identity that is adapted while the arms look on.
  struct Adapted {
    const Store& theta;
    const Store& state;
    double kl;
  };
  using Arms = std::vector<std::unique_ptr<Rollback>>;

  Adapted adapt(const Course& course, const Arms& arms) {
    const Store& theta = fork(original);
    for (const auto& arm : arms) arm->before(theta);
    const nn::Mlp function(theta, config());
    const std::string state = "state." + theta.name();
    run(ledger, theta, function, course, {.state = state, .after_step = [&](const Store& now) {
                                            for (const auto& arm : arms) arm->after_step(now);
                                          }});
    const Store& held = *find(state);
    for (const auto& arm : arms) arm->after_optimizer(held);
    for (const auto& arm : arms) arm->after(theta);
    return {theta, held, divergence(theta)};
  }

  struct Outcome {
    double rf = 0;
    std::uint64_t words = 0;
    double distance = 0;
    Price price;
  };
  // The arm undoes a fork of its own.
  Outcome undo(const Adapted& adapted, Rollback& arm) {
    const Store& theta = fork(adapted.theta);
    const nn::Mlp function(theta, config());
    Subject subject(ledger, theta, function);
    arm.undo(subject);
    return {recoverability(adapted.kl, divergence(theta)).value, words_changed(original, theta),
            relative_distance(original, theta), arm.price()};
  }
  Outcome undo(const Adapted& adapted, const std::unique_ptr<Rollback>& arm) {
    return undo(adapted, *arm);
  }

  double divergence(const Store& theta) const {
    const nn::Mlp function(theta, config());
    return kl_divergence(log_p, log_probabilities(nn::evaluate(function, probes))).mean;
  }

  const Store& fork(const Store& from) {
    const Store& to = ledger.open("fork." + std::to_string(forks++), Role::kIdentity);
    ledger.commit(copy_of(from, to));
    return to;
  }

  const Store* find(const std::string& name) const {
    for (const Store* store : ledger.stores()) {
      if (store->name() == name) return store;
    }
    return nullptr;
  }

  Rng rng;
  Ledger ledger{Ledger::Level::kOff};
  const Store& original = ledger.open("original", Role::kIdentity);
  nn::Mlp model{original, config()};
  Proposal base{.reason = Reason::kLoad, .proposer = "pilot"};
  Tensor probes, log_p;
  int forks = 0;

 private:
  using Named = std::vector<std::pair<std::string, Tensor>>;
  // Trained once for each seed.
  static const Named& trained(std::uint64_t seed) {
    static std::map<std::uint64_t, Named> all;
    if (const auto found = all.find(seed); found != all.end()) return found->second;
    const Rng rng(seed);
    Ledger own(Ledger::Level::kOff);
    const Store& theta = own.open("theta", Role::kIdentity);
    const nn::Mlp model(theta, config());
    own.commit(model.init(rng.stream("init")));
    run(own, theta, model, base_course(rng), {.state = "adam"});
    Named values;
    for (const Entry& entry : theta.entries()) values.emplace_back(entry.name, entry.value);
    return all[seed] = values;
  }
};

}  // namespace palinode::rbl
