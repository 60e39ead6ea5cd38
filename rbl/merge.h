// Merging a low-rank behavior into theta: a mutation, and one that forgets what it covered.
//
//   merge      w' = store(w + d),           d = scaling * (a b)
//   unmerge    w'' = store(w' - store(d)),  or the words that were there, if they were kept
//
// store(x) rounds to the storage of the weights. PEFT adds d as it is and subtracts it rounded
// (peft/tuners/lora/layer.py: merge adds the f32 delta, unmerge subtracts delta.to(dtype)), which
// drifts with every cycle; the symmetric form adds store(d) as well. Neither is an inverse:
// (w + d) - d rounds twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rbl/quantize.h"
#include "tensor/ledger.h"

namespace palinode::rbl {

// One matrix of a low-rank behavior: the weight [in, out] gains scaling * (a [in, r] b [r, out]).
struct LowRank {
  std::string weight;
  Tensor a, b;
  double scaling = 1;
};
using LowRankDelta = std::vector<LowRank>;

// Of every pair `<site>.lora_A`, `<site>.lora_B` in a store, for `<site>.weight`. Throws NameError
// for a lora_A without its lora_B.
LowRankDelta low_rank_of(const Store& phi, double scaling);
std::uint64_t bytes_of(const LowRankDelta& delta);  // of all a and b

enum class Rounding : std::uint8_t { kSymmetric, kAsPeft };

struct MergeConfig {
  Storage storage = Storage::kFull;  // of theta's weights, which hold values of it already
  Rounding rounding = Rounding::kSymmetric;
};

// The bare arithmetic. Reasons: merge, subtract. Throws NameError for a weight theta lacks,
// ShapeError for matrices that do not fit it.
Proposal add_low_rank(const Store& theta, const LowRankDelta& delta, const MergeConfig& config);
Proposal subtract_low_rank(const Store& theta, const LowRankDelta& delta,
                           const MergeConfig& config);

// Which behaviors are merged into a theta, written in the same commit as the weights: one entry
// `merged/<digest of the delta>` of `marks` for each, its place in the order of merging, or 0.
// Merging twice, unmerging twice, and unmerging a behavior that was trained since its merge are
// refused with Error, by whatever object it is tried.
class Merges {
 public:
  enum class Undo : std::uint8_t {
    kKeep,      // the words each merge covers are kept: unmerge, last merge first, is exact
    kSubtract,  // unmerge subtracts, in any order: not exact
  };
  struct Config {
    MergeConfig merge = {};
    Undo undo = Undo::kKeep;
    // A storage narrower than the weights' type cannot subtract what it rounded away: merging into
    // it without keeping is refused unless that is accepted.
    bool accept_loss = false;
  };

  // Throws NameError unless `marks` has the role buffer; Error for a loss that is not accepted.
  Merges(const Store& theta, const Store& marks, const Config& config);

  Proposal merge(const LowRankDelta& delta);          // to commit before the next call
  Proposal unmerge(const LowRankDelta& delta) const;  // reason restore if the words were kept
  bool merged(const LowRankDelta& delta) const;
  std::uint64_t bytes_kept() const;

 private:
  std::int32_t place(const std::string& mark) const;
  std::int32_t last() const;
  Write mark(const std::string& name, std::int32_t place) const;

  const Store* theta_;
  const Store* marks_;
  Config config_;
  std::map<std::string, std::vector<Entry>> kept_;  // by mark
};

}  // namespace palinode::rbl
