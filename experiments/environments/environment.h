// Environment: a task of reinforcement learning, one episode at a time.
//
// A task is a value type: copying it copies the episode where it stands. What is random about an
// episode comes from the stream it is reset with, so an episode depends on that stream and on the
// actions taken, and on nothing else.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "tensor/rng.h"

namespace palinode::experiments {

// Whether an episode goes on. One that is cut off by the limit of steps could have gone on: its
// last state has a value. One that has ended earns nothing more.
enum class Progress : std::uint8_t { kRunning, kEnded, kCut };

template <class T>
concept EpisodicTask = std::copyable<T> &&
    requires(T task, const T& still, const Rng& stream, std::span<float> out, std::size_t action) {
  { still.width() } -> std::same_as<std::size_t>;    // numbers in an observation
  { still.actions() } -> std::same_as<std::size_t>;  // an action is a number below this
  { task.reset(stream) } -> std::same_as<void>;
  { still.observe(out) } -> std::same_as<void>;   // fills out, of that width
  { task.step(action) } -> std::same_as<double>;  // the reward
  { still.progress() } -> std::same_as<Progress>;
};

// Any task of that kind, as a value.
class Environment {
 public:
  template <class T>
  requires(!std::same_as<T, Environment>) && EpisodicTask<T> Environment(T task)
      : task_(std::make_unique<Held<T>>(std::move(task))) {}
  Environment(const Environment& other);
  Environment(Environment&&) = default;
  Environment& operator=(const Environment& other);
  Environment& operator=(Environment&&) = default;
  ~Environment() = default;

  std::size_t width() const { return task_->width(); }
  std::size_t actions() const { return task_->actions(); }
  // Begins an episode.
  void reset(const Rng& stream);
  void observe(std::span<float> out) const { task_->observe(out); }
  // Returns the reward. Throws Error if no episode is running or there is no such action.
  double step(std::size_t action);
  Progress progress() const { return task_->progress(); }
  // Whether no episode is running.
  bool done() const { return !begun_ || progress() != Progress::kRunning; }

  std::size_t steps() const { return steps_; }       // of this episode
  double episode_return() const { return return_; }  // the sum of its rewards so far

 private:
  struct Task {
    virtual ~Task() = default;
    virtual std::unique_ptr<Task> copy() const = 0;
    virtual std::size_t width() const = 0;
    virtual std::size_t actions() const = 0;
    virtual void reset(const Rng& stream) = 0;
    virtual void observe(std::span<float> out) const = 0;
    virtual double step(std::size_t action) = 0;
    virtual Progress progress() const = 0;
  };

  template <class T>
  struct Held final : Task {
    explicit Held(T task) : held(std::move(task)) {}
    std::unique_ptr<Task> copy() const override { return std::make_unique<Held>(held); }
    std::size_t width() const override { return held.width(); }
    std::size_t actions() const override { return held.actions(); }
    void reset(const Rng& stream) override { held.reset(stream); }
    void observe(std::span<float> out) const override { held.observe(out); }
    double step(std::size_t action) override { return held.step(action); }
    Progress progress() const override { return held.progress(); }
    T held;
  };

  std::unique_ptr<Task> task_;
  bool begun_ = false;
  std::size_t steps_ = 0;
  double return_ = 0;
};

}  // namespace palinode::experiments
