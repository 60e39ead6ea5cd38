#include "experiments/studies/arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "experiments/usage_error.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::array kForms = {
    ArmForm{"R0", "nothing"},
    ArmForm{"R1", "a snapshot put back"},
    ArmForm{"R2", "the journal of every write played backwards"},
    ArmForm{"R3", "the exact difference subtracted"},
    ArmForm{"R4-noise", "the difference with 10 % of noise subtracted"},
    ArmForm{"R4-int8", "the difference in 8 bits subtracted"},
    ArmForm{"R4-bf16", "the difference in bf16 subtracted"},
    ArmForm{"R5", "the difference estimated by adapting once more"},
    ArmForm{"R6-short", "fine-tuning on original data, a quarter of the budget"},
    ArmForm{"R6", "fine-tuning on original data"},
    ArmForm{"R6-long", "fine-tuning on original data, five times the budget"},
    ArmForm{"R7", "distillation of f0's answers to original inputs"},
    ArmForm{"R8", "gradient ascent on the adaptation's loss"},
    ArmForm{"R9", "SGD replayed backwards"},
    ArmForm{"R10", "momentum replayed backwards"},
    ArmForm{"R11", "Adam replayed backwards"},
    ArmForm{"R16-1%", "the 1 % of the weights that moved most put back"},
    ArmForm{"R16-10%", "the 10 % of the weights that moved most put back"},
    ArmForm{"R16-50%", "the half of the weights that moved most put back"},
    ArmForm{"R18", "training from the seed once more"}};

// The course of the adaptation with a number of steps.
rbl::Course adaptation(const ArmContext& context, std::uint64_t steps) {
  rbl::Course course =
      course_of(context.identity, context.task, context.mechanism, context.lr, context.stream);
  course.steps = steps;
  return course;
}

MadeArm make_before(std::string_view name, const ArmMakers& makers) {
  if (name == "R0") return rbl::no_rollback();
  if (name == "R1") return rbl::snapshot();
  if (name == "R2") return rbl::journal();
  if (name == "R3") return rbl::subtract_delta();
  if (name == "R4-noise") {
    return rbl::subtract_lossy_delta({.noise = 0.1, .rng = makers.rng.stream("lossy-delta")});
  }
  if (name == "R4-int8") return rbl::subtract_lossy_delta({.storage = rbl::Storage::kInt8});
  if (name == "R4-bf16") return rbl::subtract_lossy_delta({.storage = rbl::Storage::kBf16});
  if (name == "R16-1%") return rbl::partial_snapshot(0.01, rbl::Grain::kElement);
  if (name == "R16-10%") return rbl::partial_snapshot(0.1, rbl::Grain::kElement);
  if (name == "R16-50%") return rbl::partial_snapshot(0.5, rbl::Grain::kElement);
  if (name == "R6" && makers.fine_tune_back) return makers.fine_tune_back(1);
  if (name == "R6-short" && makers.fine_tune_back) return makers.fine_tune_back(0.25);
  if (name == "R6-long" && makers.fine_tune_back) return makers.fine_tune_back(5);
  if (name == "R7" && makers.distil_back) return makers.distil_back();
  if (name == "R18" && makers.retrain) return makers.retrain();
  return nullptr;
}

MadeArm make_late(std::string_view name, const ArmMakers& makers, std::uint64_t steps) {
  if (name == "R5" && makers.estimate) return makers.estimate(steps);
  if (name == "R8" && makers.ascend) return makers.ascend(steps);
  if ((name == "R9" || name == "R10" || name == "R11") && makers.replay) {
    return makers.replay(name, steps);
  }
  return nullptr;
}

MadeArm make_replay(std::string_view name, const ArmContext& context, std::uint64_t steps) {
  const rbl::Replay replay{
      .loss = adaptation(context, steps).loss, .steps = steps, .lr = context.lr};
  if (name == "R9" && context.mechanism == Mechanism::kSgd) return rbl::reverse_sgd(replay);
  if (name == "R10" && context.mechanism == Mechanism::kMomentum) {
    return rbl::reverse_momentum(replay);
  }
  if (name == "R11" && context.mechanism == Mechanism::kAdam) return rbl::reverse_adam(replay);
  return nullptr;
}

}  // namespace

std::span<const ArmForm> arm_forms() { return kForms; }

std::uint64_t ascent_steps(std::uint64_t steps) { return std::max<std::uint64_t>(1, steps / 2); }

ArmMakers makers_of(const ArmContext& context) {
  const Identity& identity = context.identity;
  ArmMakers makers{.rng = identity.rng};
  makers.fine_tune_back = [&identity](double times) {
    return fine_tune_back(
        identity, static_cast<std::uint64_t>(static_cast<double>(identity.back_steps) * times));
  };
  makers.distil_back = [&identity] { return distil_back(identity); };
  makers.retrain = [&identity] {
    return identity.init ? rbl::retrain(identity.init, identity.pretraining) : nullptr;
  };
  makers.estimate = [context](std::uint64_t steps) {
    return rbl::subtract_estimated_delta(adaptation(context, steps));
  };
  makers.ascend = [context](std::uint64_t steps) {
    return rbl::gradient_ascent(adaptation(context, ascent_steps(steps)));
  };
  makers.replay = [context](std::string_view name, std::uint64_t steps) {
    return make_replay(name, context, steps);
  };
  return makers;
}

Arms make_arms(std::span<const std::string> names, const ArmContext& context) {
  return make_arms(names, makers_of(context));
}

Arms make_arms(std::span<const std::string> names, const ArmMakers& makers) {
  Arms arms;
  for (const std::string& name : names) {
    if (std::ranges::find(kForms, name, &ArmForm::name) == kForms.end()) {
      std::string known;
      for (const ArmForm& form : kForms) {
        known += fmt::format("{}{}", known.empty() ? "" : ", ", form.name);
      }
      throw UsageError(fmt::format("no arm \"{}\"; there are {}", name, known));
    }
    if (MadeArm made = make_before(name, makers)) arms.before.push_back(std::move(made));
  }
  arms.late = [names = Words(names.begin(), names.end()), makers](std::uint64_t steps) {
    Rollbacks late;
    for (const std::string& name : names) {
      if (MadeArm made = make_late(name, makers, steps)) late.push_back(std::move(made));
    }
    return late;
  };
  return arms;
}

}  // namespace palinode::experiments
