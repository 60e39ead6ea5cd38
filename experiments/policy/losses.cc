#include "experiments/policy/losses.h"

#include "autograd/ops.h"

namespace palinode::experiments::policy {

Var action_log_p(Var logits, const Tensor& actions) {
  const std::size_t rows = actions.elements();
  const Var log_p = log_softmax(logits);
  const Var taken = gather(log_p, 1, actions.reshape({rows, 1}));
  return reshape(taken, {rows});
}

Var clipped_surrogate(Var log_p, const Tensor& old_log_p, const Tensor& advantages, double clip) {
  Tape& tape = log_p.tape();
  const Var advantage = tape.constant(advantages);
  const Var ratio = exp(sub(log_p, tape.constant(old_log_p)));
  const Var free = mul(ratio, advantage);
  const Var clipped = mul(clamp(ratio, 1 - clip, 1 + clip), advantage);
  return scale(mean(minimum(free, clipped)), -1);
}

}  // namespace palinode::experiments::policy
