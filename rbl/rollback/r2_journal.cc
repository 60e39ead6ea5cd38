// R2: the exclusive or of old and new words of every step is kept, compressed. Taking all of them
// back is exact, whatever wrote: XOR rounds nothing. Amnesiac machine learning keeps the updates
// themselves (Graves, Nagisetty, Ganesh, arXiv:2010.10981) and subtracts them, which rounds.
#include <fmt/format.h>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"
#include "tensor/difference.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

class Journal : public Rollback {
 public:
  Journal() : Rollback("R2") {}

  void before(const Store& theta) override {
    steps_.clear();
    last_ = values_of(theta);
  }

  void after_step(const Store& theta) override {
    const Values now = values_of(theta);
    Step step;
    DifferenceEncoder encoder;
    for (std::size_t i = 0; i < now.size(); ++i) {
      step.sizes.push_back(encoder.append(last_.at(i), now[i], step.bytes));
    }
    step.bytes.shrink_to_fit();
    steps_.push_back(std::move(step));
    last_ = now;
  }

  void after(const Store& theta) override {
    if (!same_bits(last_, values_of(theta))) {
      throw Error(fmt::format("R2: {} was written without after_step, so the journal has a gap",
                              theta.name()));
    }
    end_ = fingerprint(theta);
    last_.clear();
  }

  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = sizeof end_;
    for (const Step& step : steps_) {
      bytes += step.bytes.size() + step.sizes.size() * sizeof(std::size_t);
    }
    return bytes;
  }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    if (fingerprint(theta) != end_) {
      throw Error(fmt::format("R2: {} is not what the journal ends at", theta.name()));
    }
    Values values = values_of(theta);
    DifferenceDecoder decoder;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      const std::string_view all(step->bytes.data(), step->bytes.size());
      std::size_t at = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = decoder.apply(all.substr(at, step->sizes[i]), values[i]);
        at += step->sizes[i];
      }
    }
    subject.ledger().commit(replace(theta, values, Reason::kRestore, "journal"));
  }

 private:
  struct Step {
    PoolVector<char> bytes;
    std::vector<std::size_t> sizes;  // of each parameter's difference
  };
  std::vector<Step> steps_;
  Values last_;
  Sha256Digest end_{};
};

}  // namespace

std::unique_ptr<Rollback> journal() { return std::make_unique<Journal>(); }

}  // namespace palinode::rbl
