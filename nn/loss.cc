#include "nn/loss.h"

namespace palinode::nn {
namespace {

// Of a sum over each row, the mean over rows; from the mean over all elements.
Var mean_of_rows(Var x) { return scale(mean(x), static_cast<double>(x.shape().last())); }

}  // namespace

Var entropy(Var logits) {
  const Var log_p = log_softmax(logits);
  const Var p = exp(log_p);
  const Var terms = mul(p, log_p);
  return scale(mean_of_rows(terms), -1);
}

Var kl_divergence(Var p, Var q) {
  const Var log_p = log_softmax(p);
  const Var log_q = log_softmax(q);
  const Var weight = exp(log_p);
  const Var ratio = sub(log_p, log_q);
  const Var terms = mul(weight, ratio);
  return mean_of_rows(terms);
}

Var policy_gradient(Var logits, const Tensor& actions, const Tensor& advantages,
                    double entropy_bonus) {
  const Var reinforce = cross_entropy(logits, actions, advantages);
  if (entropy_bonus == 0) return reinforce;
  const Var disorder = entropy(logits);
  const Var bonus = scale(disorder, -entropy_bonus);
  return add(reinforce, bonus);
}

}  // namespace palinode::nn
