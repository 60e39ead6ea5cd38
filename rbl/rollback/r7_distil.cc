// R7: theta' is trained to answer original inputs as f0 did (Hinton, Vinyals, Dean,
// arXiv:1503.02531, at temperature 1). What is kept is a snapshot of the function instead of the
// weights, as good as the inputs it was taken at.
#include <fmt/format.h>

#include <algorithm>

#include "autograd/losses.h"
#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"
#include "tensor/shaping.h"

namespace palinode::rbl {
namespace {

// Rows of step t: the order of the t-th part of an epoch, a new permutation for each epoch.
Tensor rows_of(const Distillation& config, std::uint64_t t) {
  const std::size_t n = config.inputs.shape()[0], batch = std::min(config.batch, n);
  const std::uint64_t in_epoch = n / batch;
  const auto order = config.rng.stream("rows").stream(t / in_epoch).permutation(n);
  std::vector<std::int32_t> rows;
  for (std::size_t i = 0; i < batch; ++i) {
    rows.push_back(static_cast<std::int32_t>(order[t % in_epoch * batch + i]));
  }
  return Tensor::from<std::int32_t>(rows, {batch});
}

class Distil : public Rollback {
 public:
  explicit Distil(const Distillation& config) : Rollback("R7"), config_(config) {
    const Shape &x = config.inputs.shape(), &log_p = config.log_p.shape();
    if (x.rank() == 0 || x[0] == 0 || log_p.rank() != 2 || log_p[0] == 0 || log_p[0] % x[0] != 0 ||
        config.batch == 0) {
      throw_shapes("distil",
                   "needs inputs [n, ...] and log_p [n * answers, classes] with n > 0, and a batch",
                   {{config.inputs, config.log_p}});
    }
    classes_ = log_p[1];
    config_.log_p =
        config.log_p.to(Dtype::kF32).compact().reshape({x[0], log_p[0] / x[0] * classes_});
  }

  std::uint64_t bytes_kept() const override { return config_.log_p.bytes(); }

 protected:
  void roll_back(Subject& subject) override {
    const Loss loss = [this](nn::Run& run, const nn::Model& function, std::uint64_t t) {
      const Tensor rows = rows_of(config_, t);
      const Var x = run.tape().constant(take(config_.inputs, rows));
      const Var y = function.forward(run, x);
      const Var log_q = log_softmax(y);
      const Tensor kept = take(config_.log_p, rows).to(y.value().dtype());
      const Var log_p = run.tape().constant(kept.reshape({kept.elements() / classes_, classes_}));
      return kl_div(log_p, log_q);
    };
    count(run(
        subject.ledger(), subject.theta(), subject.function(),
        {.loss = loss, .optimizer = config_.optimizer, .steps = config_.steps},
        {.state = fmt::format("{}.{}", id(), subject.theta().name()), .seed = config_.rng.seed()}));
  }

 private:
  Distillation config_;  // log_p: [n, answers * classes], a row for each input
  std::size_t classes_ = 0;
};

}  // namespace

std::unique_ptr<Rollback> distil_back(const Distillation& config) {
  return std::make_unique<Distil>(config);
}

}  // namespace palinode::rbl
