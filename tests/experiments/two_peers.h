// This process as one of two, the other saying always the same: what one process does alone, seen
// without an mpirun.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "experiments/suite/peers.h"

namespace palinode::experiments {

class TwoPeers : public Peers {
 public:
  TwoPeers(std::size_t rank, std::string other) : rank_(rank), other_(std::move(other)) {}

  std::size_t rank() const override { return rank_; }
  std::size_t size() const override { return 2; }
  std::size_t on_this_machine() const override { return 2; }
  std::vector<std::string> exchange(const std::string& mine) override {
    if (rank_ == 0) return {mine, other_};
    return {other_, mine};
  }
  void abort(int) override { throw std::logic_error("abort"); }

 private:
  std::size_t rank_;
  std::string other_;
};

}  // namespace palinode::experiments
