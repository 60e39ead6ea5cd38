#include "tensor/parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace palinode {
namespace {

constexpr std::size_t kMaxThreads = 1024;

// True on a thread that runs a piece of parallel work: what it starts in turn stays on it.
thread_local bool inside_parallel = false;

class InsideParallel {
 public:
  InsideParallel() : before_(inside_parallel) { inside_parallel = true; }
  ~InsideParallel() { inside_parallel = before_; }
  InsideParallel(const InsideParallel&) = delete;
  InsideParallel& operator=(const InsideParallel&) = delete;

 private:
  bool before_;
};

// Tells the processor that this thread only waits.
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits for done() a while without sleeping: a few hundred microseconds, so that a worker is still
// awake after the parts of a training step that one thread does. False if it did not come true.
template <class Done>
bool spin_until(bool may_spin, const Done& done) {
  constexpr int kSpins = 8000;
  for (int i = 0; may_spin && i < kSpins; ++i) {
    if (done()) return true;
    pause();
  }
  return done();
}

// Workers that wait until a round of work begins. In a round, part(p) is called once for each p in
// [0, parts): whoever is free takes the next one, so that a worker which is slow to wake, or has
// lost its core to another process, holds nobody up.
class Pool {
 public:
  explicit Pool(std::size_t threads) : may_spin_(threads <= std::thread::hardware_concurrency()) {
    workers_.reserve(threads - 1);
    try {
      for (std::size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      stop();
      throw EnvironmentError(
          fmt::format("threads: {} cannot be started: {}", threads, error.what()));
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Pool() { stop(); }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // False, and nothing done, if another thread's round is under way. `part` must not throw.
  bool try_run(std::size_t parts, FunctionRef<void(std::size_t)> part) {
    const std::unique_lock round(round_mutex_, std::try_to_lock);
    if (!round.owns_lock()) return false;
    part_ = &part;
    running_.store(parts, std::memory_order_relaxed);
    const std::uint64_t number = round_number(round_.load(std::memory_order_relaxed)) + 1;
    next_.store(number * kPartsLimit, std::memory_order_release);
    announce(number * kPartsLimit + parts);
    take_parts(number * kPartsLimit + parts);
    const auto done = [this] { return running_.load(std::memory_order_acquire) == 0; };
    if (!spin_until(may_spin_, done)) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, done);
    }
    return true;
  }

 private:
  // A round is one number: its count, and how many parts it has. No parts means that the pool
  // closes.
  static constexpr std::uint64_t kPartsLimit = 2 * kMaxThreads;

  // Does parts of a round until none is left. What is next carries the number of its round too, so
  // a worker that comes late takes nothing of the one that follows.
  void take_parts(std::uint64_t round) {
    std::uint64_t next = next_.load(std::memory_order_acquire);
    while (round_number(next) == round_number(round) && next < round) {
      if (!next_.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel)) continue;
      (*part_)(next % kPartsLimit);
      if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex_);
        done_.notify_one();
      }
      next = next_.load(std::memory_order_acquire);
    }
  }

  static std::uint64_t round_number(std::uint64_t round) { return round / kPartsLimit; }

  // Under the mutex, so that no worker falls asleep between its last look and the call.
  void announce(std::uint64_t round) {
    {
      const std::lock_guard lock(mutex_);
      round_.store(round, std::memory_order_release);
    }
    begin_.notify_all();
  }

  void stop() {
    announce((round_number(round_.load()) + 1) * kPartsLimit);
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void work() {
    // A thread inherits the modes of its creator, which may flush subnormals or round another way.
    std::fesetenv(FE_DFL_ENV);
    inside_parallel = true;
    std::uint64_t seen = 0;
    while (true) {
      const auto begun = [&] { return round_.load(std::memory_order_acquire) != seen; };
      if (!spin_until(may_spin_, begun)) {
        std::unique_lock lock(mutex_);
        begin_.wait(lock, begun);
      }
      seen = round_.load(std::memory_order_acquire);
      if (seen % kPartsLimit == 0) return;
      take_parts(seen);
    }
  }

  const bool may_spin_;  // not where threads outnumber cores
  std::vector<std::thread> workers_;
  std::mutex round_mutex_;
  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable done_;
  const FunctionRef<void(std::size_t)>* part_ = nullptr;
  std::atomic<std::size_t> running_ = 0;
  std::atomic<std::uint64_t> round_ = 0;
  std::atomic<std::uint64_t> next_ = 0;  // the round's number and the part nobody has taken yet
};

// Made by the first who asks, with so many threads; 0: as many as there are cores. A process that
// begins with set_threads(1) never starts a second thread: counting handles of tensors and taking
// blocks of memory are cheaper there.
std::unique_ptr<Pool>& pool(std::size_t first = 0) {
  static std::unique_ptr<Pool> the_pool = std::make_unique<Pool>(
      first != 0 ? first
                 : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads));
  return the_pool;
}

// The exception thrown at the lowest index, whichever thread met its own first.
class FirstError {
 public:
  void keep_current(std::size_t index) {
    const std::lock_guard lock(mutex_);
    if (error_ != nullptr && index_ <= index) return;
    error_ = std::current_exception();
    index_ = index;
  }
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::size_t index_ = 0;
};

}  // namespace

void set_threads(std::size_t count) {
  if (count == 0 || count > kMaxThreads) {
    throw EnvironmentError(fmt::format("threads: expected 1 to {}, got {}", kMaxThreads, count));
  }
  std::unique_ptr<Pool>& current = pool(count);
  if (count != current->threads()) current = std::make_unique<Pool>(count);
}

std::size_t threads() { return pool()->threads(); }

void parallel_for(std::size_t count, std::size_t min_per_range,
                  FunctionRef<void(std::size_t, std::size_t)> body) {
  if (count == 0) return;
  const std::size_t shortest = std::max<std::size_t>(min_per_range, 1);
  if (inside_parallel || count / shortest < 2 || threads() == 1) return body(0, count);

  const std::size_t parts = std::min(threads(), count / shortest);
  const std::size_t length = count / parts;
  const std::size_t longer = count % parts;  // the first ranges take one more
  FirstError error;
  const auto part = [&](std::size_t p) {
    const InsideParallel inside;
    const std::size_t begin = p * length + std::min(p, longer);
    try {
      body(begin, begin + length + (p < longer ? 1 : 0));
    } catch (...) {
      error.keep_current(p);
    }
  };
  if (!pool()->try_run(parts, part)) return body(0, count);
  error.rethrow();
}

void parallel_jobs(std::size_t count, FunctionRef<void(std::size_t)> job) {
  if (count == 0) return;
  std::atomic<std::size_t> next = 0;
  FirstError error;
  const auto part = [&](std::size_t) {
    const InsideParallel inside;
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        job(i);
      } catch (...) {
        error.keep_current(i);
      }
    }
  };
  const std::size_t parts = std::min(threads(), count);
  if (inside_parallel || parts == 1 || !pool()->try_run(parts, part)) part(0);
  error.rethrow();
}

}  // namespace palinode
