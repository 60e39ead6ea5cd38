#include "experiments/studies/changes.h"

#include <fmt/format.h>

#include "experiments/subjects/labelled_task.h"
#include "optim/reversible.h"
#include "optim/reversible_adam.h"
#include "rbl/attach.h"
#include "rbl/mutate.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

template <class Optimizer, class Config>
Change reversibly(const Identity& identity, Mechanism mechanism, const rbl::Loss& loss,
                  const Config& config) {
  return [&identity, mechanism, loss, config](Ledger& ledger, const Store& target,
                                              const nn::Model& function, const Hooks& hooks) {
    const Goal goal = goal_of(identity, mechanism);
    const Store& state = ledger.open("optimizer." + target.name(), Role::kOptimizer);
    const Optimizer optimizer(state, target, config);
    ledger.commit(optimizer.begin());
    Adapted adapted;
    for (; adapted.steps < goal.most_steps; ++adapted.steps) {
      if (adapted.steps % goal.check_every == 0 &&
          score(function, identity.shifted().train) >= *goal.score) {
        adapted.reached = true;
        break;
      }
      ledger.commit(optimizer.propose(rbl::pass(function, loss, adapted.steps).gradients));
      if (hooks.after_step) hooks.after_step(target);
    }
    if (hooks.after_optimizer) hooks.after_optimizer(state);
    return adapted;
  };
}

}  // namespace

Change add_noise(double alpha, const Rng& stream, rbl::Storage storage) {
  return commit_once([alpha, stream, storage](const Store& target) {
    return rbl::noise(target, alpha, stream, storage);
  });
}

Change learn_held(const Identity& identity, const rbl::Anchor* anchor, const Rng& stream,
                  const Goal& goal) {
  return [&identity, anchor, stream, goal](Ledger& ledger, const Store& theta,
                                           const nn::Model& function, const Hooks& hooks) {
    rbl::Course course = course_of(identity, identity.shifted(), Mechanism::kAdam,
                                   rate_of(identity, Mechanism::kAdam, theta), stream);
    if (anchor != nullptr) course.loss = anchor->hold(course.loss, theta);
    return adapt(ledger, theta, function, identity, identity.shifted(), course, goal, hooks);
  };
}

Change learn_reversibly(const Identity& identity, const rbl::Loss& loss,
                        const optim::ReversibleConfig& config) {
  return reversibly<optim::ReversibleSgd>(identity, Mechanism::kMomentum, loss, config);
}

Change learn_reversibly(const Identity& identity, const rbl::Loss& loss,
                        const optim::ReversibleAdamConfig& config) {
  return reversibly<optim::ReversibleAdam>(identity, Mechanism::kAdam, loss, config);
}

LearnedDelta learn_delta(const Identity& identity, const Task& task, double rank,
                         const Rng& stream) {
  const rbl::BehaviorConfig config{.kind = "lora", .settings = {{"rank", rank}, {"alpha", rank}}};
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const auto lora = rbl::make_behavior(phi, *identity.network, config);
  ledger.commit(lora->init(stream.stream("lora")));
  const rbl::Attached function = rbl::attach(*identity.network, lora);
  const Adapted adapted = adapt(ledger, phi, function, identity, task, Mechanism::kAdam, stream);
  return {rbl::low_rank_of(phi, 1), adapted};
}

Change merge(const LearnedDelta& learned, const rbl::MergeConfig& config) {
  return
      [learned, config](Ledger& ledger, const Store& theta, const nn::Model&, const Hooks& hooks) {
        ledger.commit(rbl::add_low_rank(theta, learned.delta, config));
        if (hooks.after_step) hooks.after_step(theta);
        return learned.adapted;
      };
}

Task moved_task(const Identity& identity, std::size_t number) {
  const std::size_t by = number % (identity.classes - 1) + 1;
  const Labelled& train = identity.original.train;
  return labelled_task(fmt::format("{}-moved-{}", identity.original.name, by),
                       with_labels_moved(train.rows(0, train.size() / 2), by, identity.classes),
                       with_labels_moved(identity.original.held_out, by, identity.classes));
}

std::vector<std::unique_ptr<Fork>> merged_siblings(const Identity& identity, std::size_t count,
                                                   double rank, const Rng& stream) {
  std::vector<std::unique_ptr<Fork>> forks;
  for (std::size_t i = 1; i <= count; ++i) {
    forks.push_back(std::make_unique<Fork>(identity));
    Fork& fork = *forks.back();
    const LearnedDelta learned =
        learn_delta(identity, moved_task(identity, i), rank, stream.stream(i));
    fork.ledger().commit(rbl::add_low_rank(fork.theta(), learned.delta, {}));
  }
  return forks;
}

std::vector<const Store*> stores_of(const std::vector<std::unique_ptr<Fork>>& forks,
                                    std::size_t count) {
  std::vector<const Store*> stores;
  for (std::size_t i = 0; i < count; ++i) stores.push_back(&forks.at(i)->theta());
  return stores;
}

}  // namespace palinode::experiments
