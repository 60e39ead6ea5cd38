#include "experiments/suite/progress.h"

#include <fmt/format.h>
#include <unistd.h>

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

}  // namespace

StudyProgress::StudyProgress(std::span<const StudyPlan> plans, std::span<const PlannedCell> missing,
                             std::span<const std::size_t> mine, std::size_t before, bool quiet)
    : total_(mine.size()),
      before_(before),
      quiet_(quiet),
      terminal_(is_terminal()),
      start_(steady_clock::now()),
      printed_(start_) {
  for (const StudyPlan& plan : plans) parts_.push_back({.id = std::string(plan.study->id)});
  for (const std::size_t place : mine) {
    Part& part = parts_[missing[place].study];
    const double seconds = missing[place].seconds.value_or(kUntimed);
    ++part.total;
    part.weight += seconds;
    weight_ += seconds;
  }
  if (!quiet_ && before_ > 0) {
    fmt::print(stderr, "going on: {} cells were finished by an earlier run\n", before_);
  }
  if (!quiet_ && terminal_) print(false);
}

StudyProgress::~StudyProgress() {
  if (!quiet_) print(true);
}

void StudyProgress::advance(const PlannedCell& cell) {
  const std::scoped_lock lock(mutex_);
  const double seconds = cell.seconds.value_or(kUntimed);
  Part& part = parts_[cell.study];
  ++part.done;
  ++done_;
  part.weight_done += seconds;
  weight_done_ += seconds;
  const duration<double> since = steady_clock::now() - printed_;
  if (quiet_ || since.count() < (terminal_ ? 0.1 : 10.0)) return;
  print(false);
}

void StudyProgress::print(bool last) {
  printed_ = steady_clock::now();
  const double seconds = duration<double>(printed_ - start_).count();
  std::string line = fmt::format("studies: {}/{} cells, {}", done_, total_, time_text(seconds));
  // Time goes as the expected seconds of what is done; by study, of those under way.
  const double pace = weight_done_ > 0 ? seconds / weight_done_ : 0;
  if (!last && pace > 0) {
    line += fmt::format(", {} left", time_text(pace * (weight_ - weight_done_)));
    std::size_t shown = 0;
    for (const Part& part : parts_) {
      if (part.done == part.total || part.total == 0 || shown == 4) continue;
      line += fmt::format("{}{} {}/{} ({})", shown == 0 ? "; " : ", ", part.id, part.done,
                          part.total, time_text(pace * (part.weight - part.weight_done)));
      ++shown;
    }
  }
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace palinode::experiments
