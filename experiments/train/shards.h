// The gradient of a step from equal shards of its batches, by one process or several.
//
// Shard s of S holds the examples [s n / S, (s + 1) n / S) of a batch of n. Its gradient is
// computed by itself, by process s mod N of N, and every process adds all of them in the order of
// the batches and in each of the shards (docs/arithmetic.md, section 5): S decides the bits, N does
// not.
#pragma once

#include <cstddef>
#include <string>

#include "autograd/gradient_sum.h"
#include "experiments/data_sets/labelled.h"
#include "experiments/suite/peers.h"

namespace palinode::experiments::train {

// Shares the batch's values. `shards` divides the number of its examples.
Labelled shard_of(const Labelled& batch, std::size_t shard, std::size_t shards);

class ShardSum {
 public:
  // `peers`, or none for this process alone, outlive the sum; there are at most `shards` of them.
  ShardSum(std::size_t shards, Peers* peers);

  // This process's shards of each batch: first(), first() + stride(), ...
  std::size_t first() const { return rank_; }
  std::size_t stride() const { return size_; }

  // Of this process's next shard, in their order. Throws as GradientSum::add.
  void add(double loss, const Gradients& gradients);
  // After this process's last shard of a batch; every process calls it. Throws EnvironmentError if
  // a process sent gradients of other sizes.
  void finish_batch();

  // Of all shards of all batches.
  double mean_loss() const { return loss_ / static_cast<double>(sum_.count()); }
  Gradients mean() const { return sum_.mean(); }

 private:
  std::size_t shards_, rank_ = 0, size_ = 1;
  Peers* peers_;
  double loss_ = 0;
  GradientSum sum_;
  // With others: what this process sends them of a batch, the size of one shard in it, and the
  // parameters it is about.
  std::string mine_;
  std::size_t bytes_ = 0;
  Gradients like_;
};

}  // namespace palinode::experiments::train
