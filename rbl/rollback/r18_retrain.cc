// R18: theta is trained once more, from the seed of its first values, through the course that made
// it. Exact if and only if training is deterministic; here it is (docs/determinism.md).
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

class Retrain : public Rollback {
 public:
  Retrain(std::function<Proposal(const Store&)> init, const Course& original)
      : Rollback("R18"), init_(std::move(init)), original_(original) {}
  std::uint64_t bytes_kept() const override { return sizeof(std::uint64_t); }

 protected:
  void roll_back(Subject& subject) override {
    Proposal first = init_(subject.theta());
    for (Write& write : first.writes) write.create = !write.store->contains(write.name.view());
    subject.ledger().commit(first);
    count(run(subject.ledger(), subject.theta(), subject.function(), original_,
              {.state = fmt::format("{}.{}", id(), subject.theta().name()), .seed = first.seed}));
  }

 private:
  std::function<Proposal(const Store&)> init_;
  Course original_;
};

}  // namespace

std::unique_ptr<Rollback> retrain(const std::function<Proposal(const Store& theta)>& init,
                                  const Course& original) {
  return std::make_unique<Retrain>(init, original);
}

}  // namespace palinode::rbl
