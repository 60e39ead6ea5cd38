// Progress on stderr: one line rewritten on a terminal, a plain line every ten seconds elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace palinode::experiments {

class Progress {
 public:
  // Nothing is printed if quiet.
  Progress(std::string what, std::size_t total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance();  // one more done; from any thread

 private:
  void print(bool last);

  std::string what_;
  std::size_t total_, done_ = 0;
  bool quiet_, terminal_;
  std::chrono::steady_clock::time_point start_, printed_;
  std::mutex mutex_;
};

}  // namespace palinode::experiments
