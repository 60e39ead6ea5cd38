#include "experiments/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace palinode::experiments {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

Progress::Progress(std::string what, std::size_t total, bool quiet)
    : what_(std::move(what)),
      total_(total),
      quiet_(quiet),
      terminal_(is_terminal()),
      start_(steady_clock::now()),
      printed_(start_) {
  if (!quiet_ && terminal_) print(false);
}

Progress::~Progress() {
  if (!quiet_) print(true);
}

void Progress::advance() {
  const std::scoped_lock lock(mutex_);
  ++done_;
  const duration<double> since = steady_clock::now() - printed_;
  if (quiet_ || since.count() < (terminal_ ? 0.1 : 10.0)) return;
  print(false);
}

void Progress::print(bool last) {
  printed_ = steady_clock::now();
  const double seconds = duration<double>(printed_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string line = fmt::format("{}: {}/{}, {:.1f} s", what_, done_, total_, seconds);
  if (!last && rate > 0) {
    line +=
        fmt::format(", {:.2f}/s, {:.0f} s left", rate, static_cast<double>(total_ - done_) / rate);
  }
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace palinode::experiments
