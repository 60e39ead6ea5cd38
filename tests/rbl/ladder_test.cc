// The ladder: what every arm reaches after one and the same adaptation, printed as the table of
// docs/rollback.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/rbl/pilot.h"

namespace palinode::rbl {
namespace {

constexpr std::uint64_t kSteps = 200;

struct Mechanism {
  std::string name;
  MakeOptimizer optimizer;
  double lr;
};

std::vector<Mechanism> mechanisms() {
  return {{"sgd", sgd({.lr = 0.1}), 0.1},
          {"momentum", sgd({.lr = 0.02, .momentum = 0.9}), 0.02},
          {"adam", adam({.lr = 1e-3}), 1e-3}};
}

std::unique_ptr<Rollback> reverse(const Mechanism& mechanism, const Replay& replay) {
  if (mechanism.name == "sgd") return reverse_sgd(replay, 20);
  if (mechanism.name == "momentum") return reverse_momentum(replay);
  return reverse_adam(replay);
}

struct Ladder : testing::Test, Pilot {
  Arms all(const Mechanism& mechanism) const {
    const Course course = adaptation(mechanism.optimizer, kSteps);
    Course climb = course;
    climb.steps = 100;
    const auto distil = [&](std::uint64_t steps) {
      return distil_back({.inputs = teaching(),
                          .log_p = taught(),
                          .batch = 64,
                          .steps = steps,
                          .optimizer = adam({.lr = 1e-3}),
                          .rng = rng.stream("distil")});
    };
    const Rng noise = rng.stream("delta noise");
    const auto init = [this](const Store& theta) {
      return nn::Mlp(theta, config()).init(rng.stream("init"));
    };
    Arms arms;
    arms.push_back(no_rollback());
    arms.push_back(snapshot());
    arms.push_back(journal());
    arms.push_back(subtract_delta());
    arms.push_back(subtract_lossy_delta({.noise = 0.1, .rng = noise}));
    arms.push_back(subtract_lossy_delta({.noise = 0.5, .rng = noise}));
    arms.push_back(subtract_lossy_delta({.storage = Storage::kBf16}));
    arms.push_back(subtract_lossy_delta({.storage = Storage::kInt8}));
    arms.push_back(subtract_estimated_delta(course));
    arms.push_back(fine_tune_back(back(50)));
    arms.push_back(fine_tune_back(back(200)));
    arms.push_back(fine_tune_back(back(1000)));
    arms.push_back(distil(200));
    arms.push_back(distil(1000));
    arms.push_back(gradient_ascent(climb));
    arms.push_back(reverse(mechanism, {course.loss, kSteps, mechanism.lr}));
    arms.push_back(partial_snapshot(0.1, Grain::kElement));
    arms.push_back(partial_snapshot(0.5, Grain::kElement));
    arms.push_back(partial_snapshot(0.5, Grain::kTensor));
    arms.push_back(retrain(init, base_course(rng)));
    return arms;
  }
  // Inputs whose answers are kept for distilling: of the original task, and not the probes.
  Tensor teaching() const { return draw(rng.stream("teaching"), 1024, 0).x; }
  Tensor taught() const { return log_probabilities(nn::evaluate(model, teaching())); }
};

TEST_F(Ladder, IsClimbedByEveryMechanism) {
  for (const Mechanism& mechanism : mechanisms()) {
    const Arms arms = all(mechanism);
    const Adapted adapted = adapt(adaptation(mechanism.optimizer, kSteps), arms);
    fmt::print("\n{}: D_adapt {:.3f} nats, {} words\n", mechanism.name, adapted.kl,
               original.elements());
    fmt::print("{:5} {:18} {:>9} {:>7} {:>10} {:>9} {:>7} {:>8}\n", "arm", "", "RF", "words",
               "distance", "kept", "passes", "Mflop");
    std::map<std::string, Outcome> seen;
    for (const auto& arm : arms) {
      const Outcome out = undo(adapted, *arm);
      std::string name(arm->id());
      if (!arm->variant().empty()) name += " " + arm->variant();
      if (seen.contains(name)) name += fmt::format(" {}", out.price.passes);
      fmt::print("{:24} {:>9.5f} {:>7} {:>10.2e} {:>9} {:>7} {:>8.1f}\n", name, out.rf, out.words,
                 out.distance, out.price.bytes_kept, out.price.passes, out.price.flops / 1e6);
      EXPECT_EQ(arm->info().exact, out.words == 0) << name;
      seen[name] = out;
    }
    EXPECT_EQ(seen["R0"].rf, 0.0);
    EXPECT_GT(seen["R3"].rf, 1 - 1e-9);
    EXPECT_GT(seen["R4 full-noise-0.1"].rf, 0.99);
    EXPECT_GT(seen["R6 200-steps"].rf, seen["R6 50-steps"].rf);
    EXPECT_GT(seen["R6 1000-steps"].rf, 0.9);
    EXPECT_LT(seen["R6 1000-steps"].rf, 1.0);
    EXPECT_GT(seen["R7 1000"].rf, 0.9);
    EXPECT_LT(seen["R8"].rf, seen["R6 50-steps"].rf);
    EXPECT_LT(seen["R5"].rf, seen["R6 1000-steps"].rf);
  }
}

}  // namespace
}  // namespace palinode::rbl
