#include "experiments/policy/rollout.h"

#include <fmt/format.h>

#include <utility>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace palinode::experiments::policy {
namespace {

// What a policy would do in each row.
struct Choices {
  Tensor log_p;                // f32 [rows, actions]
  std::vector<double> log, p;  // the same in f64, and its exponential
};

Choices choices(const nn::Model& policy, Tensor observations) {
  Tape tape;
  nn::Run run(tape);
  Choices result;
  result.log_p = log_softmax(policy.forward(run, tape.constant(std::move(observations)))).value();
  const std::span<const float> log_p = result.log_p.values<float>();
  result.log.assign(log_p.begin(), log_p.end());
  result.p.resize(result.log.size());
  kernels::exp(std::span<const double>(result.log), result.p);
  return result;
}

template <class T>
Tensor joined(const std::vector<T>& values, const Shape& shape) {
  return Tensor::from<T>(values, shape);
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

// What a seat has done in a rollout.
struct Players::Record {
  std::vector<float> observations, log_p, next;
  std::vector<std::int32_t> actions;
  std::vector<double> rewards, entropies, returns;
  std::vector<Trajectory> trajectories;
  std::size_t begun = 0;  // first row of the trajectory under way

  // Ends that trajectory.
  void close(const Environment& environment) {
    const bool ended = environment.progress() == Progress::kEnded;
    trajectories.push_back({begun, rewards.size(), ended});
    begun = rewards.size();
    next.resize(next.size() + environment.width());
    environment.observe(std::span(next).last(environment.width()));
  }
};

double Rollout::mean_return() const {
  if (returns.empty()) return 0;
  return kernels::sum<double>(returns) / static_cast<double>(returns.size());
}

std::size_t draw(std::span<const double> p, double u) {
  double cumulated = 0;
  for (std::size_t i = 0; i + 1 < p.size(); ++i) {
    cumulated = cumulated + p[i];
    if (u < cumulated) return i;
  }
  return p.size() - 1;
}

double entropy_of(std::span<const double> p, std::span<const double> log_p) {
  double entropy = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] != 0) entropy = entropy - p[i] * log_p[i];
  }
  return entropy;
}

Players::Players(const Environment& task, std::size_t seats, const Rng& stream)
    : width_(task.width()) {
  if (seats == 0) throw Error("players: needs at least one seat");
  for (std::size_t i = 0; i < seats; ++i) {
    const Rng episodes = stream.stream(i);
    seats_.push_back({task, episodes, episodes});
  }
}

void Players::begin(Seat& seat) {
  const Rng episode = seat.episodes.stream(seat.next++);
  seat.environment.reset(episode.stream("start"));
  seat.actions = episode.stream("actions");
}

void Players::step(const nn::Model& policy, std::span<const std::size_t> playing,
                   std::span<Record> records) {
  TensorBuilder seen({playing.size(), width_}, Dtype::kF32);
  for (std::size_t row = 0; row < playing.size(); ++row) {
    const std::span<float> out = seen.values<float>().subspan(row * width_, width_);
    seats_[playing[row]].environment.observe(out);
    std::vector<float>& kept = records[playing[row]].observations;
    kept.insert(kept.end(), out.begin(), out.end());
  }
  const Choices now = choices(policy, std::move(seen).build());
  const std::size_t actions = now.log_p.shape().last();
  for (std::size_t row = 0; row < playing.size(); ++row) {
    auto& [environment, episodes, stream, next] = seats_[playing[row]];
    Record& record = records[playing[row]];
    const std::span<const double> p = std::span(now.p).subspan(row * actions, actions);
    const std::size_t action = draw(p, stream.uniform(environment.steps()));
    const std::span<const double> log = std::span(now.log).subspan(row * actions, actions);
    record.actions.push_back(static_cast<std::int32_t>(action));
    record.log_p.push_back(now.log_p.values<float>()[row * actions + action]);
    record.entropies.push_back(entropy_of(p, log));
    record.rewards.push_back(environment.step(action));
    if (!environment.done()) continue;
    record.close(environment);
    record.returns.push_back(environment.episode_return());
  }
}

Rollout Players::gather(std::span<Record> records) const {
  Rollout all;
  Record joint;
  for (const Record& record : records) {
    for (const Trajectory& t : record.trajectories) {
      all.trajectories.push_back({all.rows() + t.begin, all.rows() + t.end, t.ended});
    }
    append(all.rewards, record.rewards);
    append(all.returns, record.returns);
    append(joint.observations, record.observations);
    append(joint.actions, record.actions);
    append(joint.log_p, record.log_p);
    append(joint.entropies, record.entropies);
    append(joint.next, record.next);
  }
  all.observations = joined(joint.observations, {all.rows(), width_});
  all.actions = joined(joint.actions, {all.rows()});
  all.log_p = joined(joint.log_p, {all.rows()});
  all.next = joined(joint.next, {all.trajectories.size(), width_});
  all.entropy = kernels::sum<double>(joint.entropies) / static_cast<double>(all.rows());
  return all;
}

Rollout Players::play_episodes(const nn::Model& policy) {
  std::vector<Record> records(seats_.size());
  for (Seat& seat : seats_) {
    if (!seat.environment.done()) throw Error("players: an episode is under way");
    begin(seat);
  }
  std::vector<std::size_t> playing;
  for (;;) {
    playing.clear();
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (!seats_[i].environment.done()) playing.push_back(i);
    }
    if (playing.empty()) return gather(records);
    step(policy, playing, records);
  }
}

Rollout Players::play_steps(const nn::Model& policy, std::size_t steps) {
  std::vector<Record> records(seats_.size());
  std::vector<std::size_t> playing;
  for (std::size_t i = 0; i < seats_.size(); ++i) playing.push_back(i);
  for (std::size_t t = 0; t < steps; ++t) {
    for (Seat& seat : seats_) {
      if (seat.environment.done()) begin(seat);
    }
    step(policy, playing, records);
  }
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (!seats_[i].environment.done()) records[i].close(seats_[i].environment);
  }
  return gather(records);
}

Evaluation evaluate(const nn::Model& policy, const Environment& task, std::size_t episodes,
                    const Rng& stream) {
  const Rollout played = Players(task, episodes, stream).play_episodes(policy);
  return {played.mean_return(), played.entropy, played.observations};
}

}  // namespace palinode::experiments::policy
