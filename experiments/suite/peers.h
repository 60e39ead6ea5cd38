// Peers: the processes that share a list of work, or the batches of a training. One, or those of an
// mpirun.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace palinode::experiments {

class Peers {
 public:
  virtual ~Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  virtual std::size_t rank() const = 0;
  virtual std::size_t size() const = 0;
  // How many of them run on this machine.
  virtual std::size_t on_this_machine() const = 0;
  // What each has to say, in the order of the ranks, to all. Every process calls it, from one
  // thread, in the same order of calls.
  virtual std::vector<std::string> exchange(const std::string& mine) = 0;
  // Ends all processes when this one cannot go on: the others would wait for ever.
  virtual void abort(int code) = 0;

 protected:
  Peers() = default;
};

// This process alone.
std::unique_ptr<Peers> no_peers();

// Those of the mpirun that started this process. Throws EnvironmentError if the program was built
// without MPI, or MPI cannot be started.
std::unique_ptr<Peers> mpi_peers();

// What every process must have done before any goes on; all call it. True if all could; if some
// could not, the first of them throws what stopped it, and for the others it is false.
bool together(Peers& peers, const std::function<void()>& work);

// This process's part of the machine's cores, one at least.
std::size_t threads_each(const Peers& peers);

}  // namespace palinode::experiments
