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

// How far a study is; weights are expected seconds.
struct StudyPart {
  std::string id;
  std::size_t total = 0, done = 0;
  double weight = 0, weight_done = 0;
};

// "studies: 3/8 cells, 30 s, 50 s left; E1 1/4 (20 s), E4 2/4 (30 s)" after `seconds`. Time goes as
// the weight of what is done, so before that, and in the last line, nothing is said to be left; of
// the studies it names four that are not done.
std::string progress_line(std::span<const StudyPart> parts, double seconds, bool last);

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
  void print(bool last);

  std::vector<StudyPart> parts_;
  bool quiet_, terminal_;
  std::chrono::steady_clock::time_point start_, printed_;
  std::mutex mutex_;
};

}  // namespace palinode::experiments
