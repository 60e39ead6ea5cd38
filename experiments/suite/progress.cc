#include "experiments/suite/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace palinode::experiments {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

constexpr double kUntimed = 1;  // seconds for a cell that was never timed

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

std::string time_text(double seconds) {
  return seconds < 120 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.1f} min", seconds / 60);
}

// Sums of weights round, so what is left may come out below 0.
double time_left(double pace, double weight, double weight_done) {
  return std::max(0.0, pace * (weight - weight_done));
}

}  // namespace

std::string progress_line(std::span<const StudyPart> parts, double seconds, bool last) {
  StudyPart all;
  for (const StudyPart& part : parts) {
    all.total += part.total;
    all.done += part.done;
    all.weight += part.weight;
    all.weight_done += part.weight_done;
  }
  std::string line =
      fmt::format("studies: {}/{} cells, {}", all.done, all.total, time_text(seconds));
  const double pace = all.weight_done > 0 ? seconds / all.weight_done : 0;
  if (last || !(pace > 0)) return line;
  line += fmt::format(", {} left", time_text(time_left(pace, all.weight, all.weight_done)));
  std::size_t shown = 0;
  for (const StudyPart& part : parts) {
    if (part.done == part.total || shown == 4) continue;
    line += fmt::format("{}{} {}/{} ({})", shown == 0 ? "; " : ", ", part.id, part.done, part.total,
                        time_text(time_left(pace, part.weight, part.weight_done)));
    ++shown;
  }
  return line;
}

StudyProgress::StudyProgress(std::span<const StudyPlan> plans, std::span<const PlannedCell> missing,
                             std::span<const std::size_t> mine, std::size_t before, bool quiet)
    : quiet_(quiet), terminal_(is_terminal()), start_(steady_clock::now()), printed_(start_) {
  for (const StudyPlan& plan : plans) parts_.push_back({.id = std::string(plan.study->id)});
  for (const std::size_t place : mine) {
    StudyPart& part = parts_[missing[place].study];
    ++part.total;
    part.weight += missing[place].seconds.value_or(kUntimed);
  }
  if (!quiet_ && before > 0) {
    fmt::print(stderr, "going on: {} cells were finished by an earlier run\n", before);
  }
  if (!quiet_ && terminal_) print(false);
}

StudyProgress::~StudyProgress() {
  if (!quiet_) print(true);
}

void StudyProgress::advance(const PlannedCell& cell) {
  const std::scoped_lock lock(mutex_);
  StudyPart& part = parts_[cell.study];
  ++part.done;
  part.weight_done += cell.seconds.value_or(kUntimed);
  const duration<double> since = steady_clock::now() - printed_;
  if (quiet_ || since.count() < (terminal_ ? 0.1 : 10.0)) return;
  print(false);
}

void StudyProgress::print(bool last) {
  printed_ = steady_clock::now();
  const std::string line = progress_line(parts_, duration<double>(printed_ - start_).count(), last);
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace palinode::experiments
