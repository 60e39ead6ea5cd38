// What is known of a rollback arm before it runs, and what a run of it cost.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace palinode::rbl {

// Side information: what an arm cannot do without, beside theta' itself.
enum class Need : std::uint8_t {
  kTheta,           // theta before the adaptation, or a difference to it, whole or in part
  kJournal,         // every write of the adaptation, as it happens
  kOriginalData,    // data theta was trained on
  kOutputs,         // what f0 answered to original inputs
  kAdaptationData,  // data of the adaptation, in any order
  kBatches,         // the batches of the adaptation in their order, its loss and its rates
  kOptimizerState,  // what the optimizer held when the adaptation was over
  kSeed,            // of the randomness behind the mutation, or behind theta itself
  kPhi,             // the adaptation as a behavior of its own
  kSiblings,        // other models that were merged from the same theta
};

std::string_view need_name(Need need);  // "theta", "journal", "original-data", ...

class Needs {
 public:
  constexpr Needs(std::initializer_list<Need> needs) {
    for (const Need need : needs) bits_ |= 1U << static_cast<unsigned>(need);
  }
  constexpr bool contains(Need need) const {
    return (bits_ >> static_cast<unsigned>(need) & 1U) != 0;
  }
  constexpr bool empty() const { return bits_ == 0; }
  std::string to_string() const;  // "original-data, outputs"; "nothing"

 private:
  std::uint32_t bits_ = 0;
};

struct ArmInfo {
  std::string_view id;  // "R0" to "R18"
  std::string_view name;
  Needs needs;
  bool undoes;  // false: it does nothing after the adaptation (R0, R13)
  bool exact;   // every word comes back, by construction (R9 to R11: if the lost bits are kept)
  std::string_view text;  // one line
};

// All arms, in the order of their numbers.
std::span<const ArmInfo> arms();
// Throws NameError listing the ids.
const ArmInfo& arm_info(std::string_view id);

// What a rollback costs. Settings (rates, step counts, ranks) are a part of the arm and not counted
// as kept.
struct Price {
  std::uint64_t bytes_kept = 0;  // side information stored from the adaptation to the undo
  std::uint64_t passes = 0;      // forward and backward passes over one batch
  double flops = 0;              // of these passes (work.h), and of the arm's own arithmetic
  double seconds = 0;            // wall time of the undo; outside the same-bits contract
};

}  // namespace palinode::rbl
