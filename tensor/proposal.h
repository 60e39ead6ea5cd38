// Proposal: what should change, and on whose authority. Computing one changes nothing;
// Ledger::commit (ledger.h) does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <variant>

#include "tensor/inline_vector.h"
#include "tensor/pool.h"
#include "tensor/store.h"

namespace palinode {

// Why a parameter is written.
enum class Reason : std::uint8_t {
  kInit,            // first values of a model, a behavior or an optimizer
  kLoad,            // values copied from a file or another store
  kSgd,             // gradient descent, with or without momentum
  kAdam,            // Adam
  kRmsProp,         // RMSProp
  kPolicyGradient,  // a gradient of expected reward, whatever optimizer follows it
  kNoise,           // unstructured mutation
  kRestore,         // a rollback puts back values it kept
  kSubtract,        // a rollback subtracts a difference it kept or regenerated
  kUndo,            // a journal takes writes back (undo.h)
  kPrune,           // elements set to zero
  kQuantize,        // a round trip through narrower storage
  kMerge,           // a behavior is added to the identity's own weights
};

std::string_view reason_name(Reason reason);  // "init", ..., "policy-gradient", ...

// One new value. `create` says that the name is not in the store yet; commit refuses if that is not
// so.
struct Write {
  const Store* store = nullptr;
  PoolString name;
  Tensor value;
  bool create = false;
};

// The rules by which a parameter takes a step along its gradient (docs/arithmetic.md, section 7),
// in f64; commit rounds the coefficients once to the type of the parameter.
struct SgdRule {
  double lr = 0;
  double momentum = 0;  // 0: plain gradient descent, without a moment
  double weight_decay = 0;
  bool nesterov = false;  // look ahead along the velocity; needs momentum
};
struct AdamRule {
  double beta1 = 0, beta2 = 0;
  double a = 0;  // lr / (1 - beta1^t)
  double r = 0;  // 1 / sqrt(1 - beta2^t)
  double eps = 0;
  double decay = 0;  // lr * weight decay (AdamW), 0 for none
};
struct RmsPropRule {
  double lr = 0;
  double alpha = 0;
  double eps = 0;
  double momentum = 0;  // 0: without a velocity
  double weight_decay = 0;
  bool centered = false;  // with the mean of the gradient as a moment
};

using Rule = std::variant<SgdRule, AdamRule, RmsPropRule>;

constexpr std::size_t kMaxMoments = 3;

// One parameter's step of an optimizer: not a new value but the rule that gives it. commit reads
// gradient, weight and moments once, writes the new ones into memory of its own, and digests and
// measures them in the same pass.
struct Step {
  const Store* store = nullptr;
  std::size_t entry = 0;         // the parameter's place in store->entries()
  Tensor gradient = {};          // of its shape and dtype
  const Store* state = nullptr;  // of the moments, if the rule has any
  // Names in `state`: those of moments_of(rule) (write_pass.h); created as zeros.
  InlineVector<PoolString, kMaxMoments> moments = {};
  Rule rule = {};
  // What becomes of a gradient before the rule: it is multiplied by `scale`, rounded once, and
  // then limited to [-limit, limit].
  double scale = 1;
  double limit = std::numeric_limits<double>::infinity();
  // Entry::written of the value the gradient was computed from, for commit to compare with; 0 if
  // that is not known.
  std::uint64_t read = 0;
};

// An entry that goes. A store gives up its newest entry first, so the others keep their places.
struct Removal {
  const Store* store = nullptr;
  PoolString name;
};

struct Proposal {
  Reason reason = Reason::kInit;
  PoolString proposer = {};  // "adam.theta", "noise", ...; restricted like a parameter's name
  std::uint64_t seed = 0;    // of the randomness behind it, 0 if none
  std::uint64_t step = 0;    // the proposer's own count
  bool finite_only = false;  // refuse values that are NaN or infinite
  PoolVector<Removal> removals = {};  // done and recorded first; a name removed may be created anew
  PoolVector<Write> writes = {};
  PoolVector<Step> steps = {};  // recorded after the writes, each as its parameter and its moments
};

}  // namespace palinode
