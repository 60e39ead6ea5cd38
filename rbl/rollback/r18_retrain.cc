// R18: theta is trained once more, from the seed of its first values, through the course that made
// it. Exact if and only if training is deterministic; here it is (docs/determinism.md).
#include <fmt/format.h>

#include <utility>

#include "rbl/rollback/arms.h"

namespace palinode::rbl {
namespace {

using Original = std::function<Work(const Subject& subject, std::uint64_t seed)>;

class Retrain : public Rollback {
 public:
  Retrain(std::function<Proposal(const Store&)> init, Original original)
      : Rollback("R18"), init_(std::move(init)), original_(std::move(original)) {}
  std::uint64_t bytes_kept() const override { return sizeof(std::uint64_t); }

 protected:
  void roll_back(Subject& subject) override {
    Proposal first = init_(subject.theta());
    for (Write& write : first.writes) write.create = !write.store->contains(write.name.view());
    subject.ledger().commit(first);
    count(original_(subject, first.seed));
  }

 private:
  std::function<Proposal(const Store&)> init_;
  Original original_;
};

}  // namespace

std::unique_ptr<Rollback> retrain(const std::function<Proposal(const Store& theta)>& init,
                                  const Course& original) {
  return std::make_unique<Retrain>(init, [original](const Subject& subject, std::uint64_t seed) {
    return run(subject.ledger(), subject.theta(), subject.function(), original,
               {.state = fmt::format("R18.{}", subject.theta().name()), .seed = seed});
  });
}

std::unique_ptr<Rollback> retrain(const std::function<Proposal(const Store& theta)>& init,
                                  Training original) {
  return std::make_unique<Retrain>(
      init, [train = std::move(original)](const Subject& subject, std::uint64_t) {
        train(subject.ledger(), subject.theta());
        return Work{};
      });
}

}  // namespace palinode::rbl
