// R3: the difference theta' - theta, rounded to the weights' type, is kept and subtracted. Not
// exact: both the difference and the subtraction round, so (theta + d) - d often misses theta by a
// last bit.
#include <map>
#include <string>

#include "autograd/op_spec.h"
#include "rbl/rollback.h"
#include "tensor/kernels/elementwise.h"

namespace palinode::rbl {
namespace {

Tensor difference(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "delta", [&]<class T>() {
    return filled<T>(a.shape(),
                     [&](std::span<T> out) { kernels::sub<T>(a.values<T>(), b.values<T>(), out); });
  });
}

class Delta : public Rollback {
 public:
  std::string_view id() const override { return "R3"; }

  void before(const Store& theta) override {
    for (const Entry& entry : theta.entries()) kept_[entry.name] = entry.value;
  }

  // From here only the difference is kept, not theta.
  void after(const Store& theta) override {
    for (const Entry& entry : theta.entries()) {
      kept_[entry.name] = difference(entry.value, kept_.at(entry.name));
    }
  }

  void undo(Subject& subject) override {
    Proposal proposal{.reason = Reason::kSubtract, .proposer = "delta"};
    for (const Entry& entry : subject.theta().entries()) {
      proposal.writes.push_back(
          {&subject.theta(), entry.name, difference(entry.value, kept_.at(entry.name))});
    }
    subject.ledger().commit(proposal);
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const auto& [name, delta] : kept_) bytes += delta.bytes();
    return bytes;
  }

 private:
  std::map<std::string, Tensor> kept_;
};

}  // namespace

std::unique_ptr<Rollback> subtract_delta() { return std::make_unique<Delta>(); }

}  // namespace palinode::rbl
