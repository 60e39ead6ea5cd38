// Progress of the studies on stderr: one line rewritten on a terminal, a plain line every ten
// seconds elsewhere. Says which studies run, how much is done, and how long the rest will take.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "experiments/suite/plan.h"

namespace palinode::experiments {

class StudyProgress {
 public:
  // Of the `mine` among the missing cells; `before` more were finished by an earlier run. Nothing
  // is printed if quiet.
  StudyProgress(std::span<const StudyPlan> plans, std::span<const PlannedCell> missing,
                std::span<const std::size_t> mine, std::size_t before, bool quiet);
  ~StudyProgress();
  StudyProgress(const StudyProgress&) = delete;
  StudyProgress& operator=(const StudyProgress&) = delete;

  void advance(const PlannedCell& cell);  // one more done; from any thread

 private:
  struct Part {
    std::string id;
    std::size_t total = 0, done = 0;
    double weight = 0, weight_done = 0;  // expected seconds
  };
  void print(bool last);

  std::vector<Part> parts_;  // by study
  std::size_t total_ = 0, done_ = 0, before_;
  double weight_ = 0, weight_done_ = 0;
  bool quiet_, terminal_;
  std::chrono::steady_clock::time_point start_, printed_;
  std::mutex mutex_;
};

}  // namespace palinode::experiments
