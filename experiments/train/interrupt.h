// Ctrl-C and SIGTERM as a question that the training loop asks between steps.
#pragma once

#include <csignal>

namespace palinode::experiments::train {

// While one lives, the first SIGINT or SIGTERM is noted instead of ending the process; a second one
// ends it. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int signal() const;  // SIGINT, SIGTERM, or 0

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace palinode::experiments::train
