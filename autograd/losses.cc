#include "autograd/losses.h"

#include "autograd/ops.h"

namespace palinode {

Var mse(Var x, Var target) {
  const Var difference = sub(x, target);
  const Var squares = square(difference);
  return mean(squares);
}

Var kl_div(Var log_p, Var log_q) {
  const Var p = exp(log_p);
  const Var ratio = sub(log_p, log_q);
  const Var terms = mul(p, ratio);
  const Var rows = sum(terms, -1);
  return mean(rows);
}

}  // namespace palinode
