#include "rbl/anchor.h"

#include <utility>

#include "rbl/rollback/values.h"
#include "tensor/error.h"

namespace palinode::rbl {

Anchor::Anchor(const Store& theta, double lambda, std::vector<Tensor> fisher)
    : lambda_(lambda), origin_(values_of(theta)), fisher_(std::move(fisher)) {
  if (fisher_.empty()) return;
  if (fisher_.size() != origin_.size()) throw_shapes("anchor", "one tensor a parameter", fisher_);
  for (std::size_t i = 0; i < fisher_.size(); ++i) {
    require_same_shape("anchor", {{origin_[i], fisher_[i]}});
  }
}

Var Anchor::penalty(Tape& tape, const Store& theta) const {
  Var total = tape.constant(Tensor::scalar(0, origin_.at(0).dtype()));
  for (std::size_t i = 0; i < origin_.size(); ++i) {
    const Var w = tape.parameter(theta, theta.entries()[i].name);
    const Var origin = tape.constant(origin_[i]);
    const Var away = sub(w, origin);
    Var squares = square(away);
    if (weighted()) {
      const Var weight = tape.constant(fisher_[i]);
      squares = mul(weight, squares);
    }
    const Var part = sum(squares);
    total = add(total, part);
  }
  return scale(total, lambda_ / 2);
}

Loss Anchor::hold(const Loss& loss, const Store& theta) const {
  return [this, loss, &theta](nn::Run& run, const nn::Model& function, std::uint64_t t) {
    const Var plain = loss(run, function, t);
    const Var held = penalty(run.tape(), theta);
    return add(plain, held);
  };
}

std::uint64_t Anchor::bytes() const { return bytes_of(origin_) + bytes_of(fisher_); }

std::vector<Tensor> fisher_diagonal(const Store& theta, const nn::Model& function,
                                    const Loss& log_likelihood, std::uint64_t examples) {
  PALINODE_ASSERT(examples > 0);
  Values total;
  for (const Entry& entry : theta.entries()) {
    total.push_back(Tensor::zeros(entry.value.shape(), entry.value.dtype()));
  }
  for (std::uint64_t t = 0; t < examples; ++t) {
    const Pass now = pass(function, log_likelihood, t);
    const Values g = gradients_of(now.gradients, theta);
    total = zip(total, g, [](auto sum, auto x) { return sum + x * x; });
  }
  const auto count = static_cast<double>(examples);
  return zip(total, total, [count](auto sum, auto) {
    return static_cast<decltype(sum)>(static_cast<double>(sum) / count);
  });
}

}  // namespace palinode::rbl
