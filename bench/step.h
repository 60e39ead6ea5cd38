// What a program of a few training steps tells the one that started it (step_cases.cc).
#pragma once

#include <cstdio>
#include <fstream>
#include <string>

namespace palinode::bench {

inline constexpr int kSteps = 3;

// The largest resident size of this process so far, in bytes; 0 if the kernel does not say. Unlike
// getrusage's, it begins with the program, not with the process that started it.
inline double peak_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

// Trains and prints a line when the steps are done, with the peak of memory.
template <class T>
int run_steps(T&& training) {
  for (int i = 0; i < kSteps; ++i) training.step();
  std::printf("%.0f\n", peak_bytes());
  return 0;
}

}  // namespace palinode::bench
