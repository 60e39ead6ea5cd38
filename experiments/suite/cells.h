// The file of finished cells: a run that was killed goes on where it stopped.
//
// A line a cell, appended whole and flushed: {"key", "program", "settings", "seconds", "outcome",
// "digest"}. `program` is the SHA-256 of the program's own file and `settings` of all that can
// change a result: a cell of another program or other settings is not taken. A torn last line, or
// one whose digest is not that of its outcome, is as if it were not there.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "experiments/studies/study.h"

namespace palinode::experiments {

struct FinishedCell {
  Outcome outcome;
  double seconds = 0;
};

class CellFile {
 public:
  // Keeps nothing on disk.
  CellFile() = default;
  // Opens or makes the file, and holds it: throws EnvironmentError naming it if another process
  // does, or it cannot be written. `fresh`: what it holds is dropped.
  CellFile(std::string path, const std::string& settings_digest, bool fresh = false);
  ~CellFile();
  CellFile(const CellFile&) = delete;
  CellFile& operator=(const CellFile&) = delete;

  // Those that were there when it was opened, by key.
  std::map<std::string, FinishedCell>& found() { return found_; }
  // From any thread. Throws EnvironmentError if it could not be written.
  void append(const std::string& key, const FinishedCell& cell);
  // Takes what another file holds too, that of a process which this run has not got; its lines stay
  // where they are.
  void adopt(const std::string& path);
  // The run is whole: the file goes, and those it has adopted.
  void remove();

  // A line, and what a line says; for other processes too.
  std::string line(const std::string& key, const FinishedCell& cell) const;
  // Takes every whole line that is of this program and these settings.
  std::map<std::string, FinishedCell> read(const std::string& lines) const;

 private:
  std::string path_, program_, settings_;
  std::vector<std::string> adopted_;
  int descriptor_ = -1;
  std::mutex mutex_;
  std::map<std::string, FinishedCell> found_;
};

// The files of finished cells in `out` of processes that a run of so many has not got: an earlier
// one had more.
std::vector<std::string> cells_of_others(const std::string& out, std::size_t processes);

}  // namespace palinode::experiments
