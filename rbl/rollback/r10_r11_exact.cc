// R10 and R11 with the lost bits: an adaptation by ReversibleSgd or ReversibleAdam is played
// backwards, every bit of it. Beside the optimizer's state the words are kept that begin() moved to
// its grid.
#include <fmt/format.h>

#include <bit>
#include <map>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"
#include "rbl/rollback/words.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// Elements whose bits differ.
std::vector<std::uint32_t> differing(const Tensor& a, const Tensor& b) {
  std::vector<std::uint32_t> index;
  with_float(a.dtype(), "reverse_exactly", [&]<class T>() {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const std::span<const T> x = a.values<T>(), y = b.values<T>();
    for (std::uint32_t i = 0; i < x.size(); ++i) {
      if (std::bit_cast<Bits>(x[i]) != std::bit_cast<Bits>(y[i])) index.push_back(i);
    }
  });
  return index;
}

template <class Optimizer, class Config>
class Exact : public Rollback {
 public:
  Exact(std::string_view id, const Loss& loss, const Config& config)
      : Rollback(id), loss_(loss), config_(config) {}
  std::string variant() const override { return "lost-bits"; }

  void before(const Store& theta) override {
    off_grid_.clear();
    for (std::uint32_t i = 0; i < theta.entries().size(); ++i) {
      const Tensor& value = theta.entries()[i].value;
      const auto index = differing(value, optim::on_grid(value));
      if (!index.empty()) off_grid_[i] = pick(value, index);
    }
  }

  void after_optimizer(const Store& state) override {
    state_.assign(state.entries().begin(), state.entries().end());
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const Entry& entry : state_) bytes += entry.value.bytes();
    for (const auto& [entry, words] : off_grid_) bytes += sizeof entry + words.bytes();
    return bytes;
  }

 protected:
  void roll_back(Subject& subject) override {
    if (state_.empty()) throw Error(fmt::format("{}: after_optimizer was not called", id()));
    Ledger& ledger = subject.ledger();
    const Store& theta = subject.theta();
    const Store& state = ledger.open(fmt::format("{}.{}", id(), theta.name()), Role::kOptimizer);
    Proposal load{.reason = Reason::kLoad, .proposer = id()};
    for (const Entry& entry : state_) {
      load.writes.push_back({&state, PoolString(entry.name), entry.value, true});
    }
    ledger.commit(load);
    const Optimizer optimizer(state, theta, config_);
    while (optimizer.steps() > 0) {
      const std::uint64_t t = optimizer.steps() - 1;
      ledger.commit(optimizer.rewind_weights());
      const Pass now = pass(subject.function(), loss_, t);
      count(now.work);
      ledger.commit(optimizer.rewind_moments(now.gradients));
    }
    Values values = values_of(theta);
    for (const auto& [entry, words] : off_grid_)
      values.at(entry) = patched(values.at(entry), words);
    ledger.commit(replace(theta, values, Reason::kRestore, id()));
  }

 private:
  Loss loss_;
  Config config_;
  std::vector<Entry> state_;
  std::map<std::uint32_t, Words> off_grid_;  // by place in the store
};

}  // namespace

std::unique_ptr<Rollback> reverse_exactly(const Loss& loss, const optim::ReversibleConfig& config) {
  return std::make_unique<Exact<optim::ReversibleSgd, optim::ReversibleConfig>>("R10", loss,
                                                                                config);
}

std::unique_ptr<Rollback> reverse_exactly(const Loss& loss,
                                          const optim::ReversibleAdamConfig& config) {
  return std::make_unique<Exact<optim::ReversibleAdam, optim::ReversibleAdamConfig>>("R11", loss,
                                                                                     config);
}

}  // namespace palinode::rbl
