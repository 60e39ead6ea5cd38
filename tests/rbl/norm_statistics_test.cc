#include "rbl/norm_statistics.h"

#include <gtest/gtest.h>

#include "nn/cnn.h"
#include "rbl/compose.h"
#include "rbl/identity.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

// A frozen identity with two BatchNorm layers, and statistics of a behavior's own.
struct NormStatisticsTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  const Store& own = ledger.open("phi.buffers", Role::kBuffer);
  nn::Cnn model{theta,
                buffers,
                {.height = 4,
                 .width = 4,
                 .blocks = {{2, 3, 2}, {3, 3, 1}},
                 .hidden = {},
                 .classes = 3,
                 .batch_norm = true}};
  Tensor x = Rng(1).stream("x").normal({8, 4, 4, 1}, Dtype::kF32);

  NormStatisticsTest() {
    ledger.commit(model.init(Rng(1)));
    Identity::freeze(ledger, model);
  }
  NormStatistics behavior() {
    NormStatistics unit(own, buffers, norm_sites(buffers));
    ledger.commit(unit.init());
    return unit;
  }
  Xxh3Digest evaluated(const nn::Seam* seam) const {
    Tape tape;
    nn::Run run(tape, seam);
    return xxh3(model.forward(run, tape.constant(x)).value());
  }
  // A pass in train mode and the commit of what it has found.
  void move(const nn::Seam& seam) {
    Tape tape;
    nn::Run run(tape, {.seam = &seam, .mode = nn::Mode::kTrain});
    model.forward(run, tape.constant(x));
    Proposal proposal{.proposer = "step"};
    run.add_buffers(proposal);
    ledger.commit(proposal);
  }
};

TEST_F(NormStatisticsTest, AFreshOneChangesNoBit) {
  const Xxh3Digest plain = evaluated(nullptr);
  const NormStatistics unit = behavior();
  EXPECT_EQ(evaluated(&unit), plain);
  EXPECT_EQ(norm_sites(buffers), (std::vector<std::string>{"block.0.norm", "block.1.norm"}));
}

TEST_F(NormStatisticsTest, TrainModeMovesTheBehaviorsStatisticsAndTheFunctionWithThem) {
  const Xxh3Digest plain = evaluated(nullptr);
  const Sha256Digest before = fingerprint(buffers);
  const NormStatistics unit = behavior();
  move(unit);
  EXPECT_NE(fingerprint(own), before);
  EXPECT_EQ(fingerprint(buffers), before);
  EXPECT_NE(evaluated(&unit), plain);
  EXPECT_EQ(evaluated(nullptr), plain);
}

TEST_F(NormStatisticsTest, ALayerItDoesNotHaveStaysRefused) {
  const NormStatistics unit(own, buffers, {"block.0.norm"});
  ledger.commit(unit.init());
  EXPECT_MESSAGE(move(unit), FrozenError,
                 "batch_norm: block.1.norm: theta is frozen since write 15, and in train mode the "
                 "layer would use and move the statistics of the batch; run it in eval mode, or "
                 "attach a behavior that keeps statistics of its own for block.1.norm");
}

TEST_F(NormStatisticsTest, ItsKeyFollowsItsStatistics) {
  const NormStatistics unit = behavior();
  const Sha256Digest before = unit.key();
  EXPECT_NE(NormStatistics(own, buffers, {"block.0.norm"}).key(), before);
  move(unit);
  EXPECT_NE(unit.key(), before);
}

TEST_F(NormStatisticsTest, InParallelOneBehaviorMayBringThemWhole) {
  const auto unit = std::make_shared<NormStatistics>(behavior());
  const auto half =
      std::make_shared<NormStatistics>(own, buffers, std::vector<std::string>{"block.0.norm"});
  move(*parallel({{unit}}));
  EXPECT_MESSAGE(move(*parallel({{unit, 0.5}})), NameError,
                 "parallel: statistics cannot be weighted, got 0.5");
  EXPECT_MESSAGE(move(*parallel({{half}, {unit}})), NameError,
                 "parallel: two behaviors bring statistics for block.0.norm");
}

TEST_F(NormStatisticsTest, RefusesTheIdentitysOwnStoreAnotherRoleAndAnUnknownLayer) {
  EXPECT_MESSAGE(NormStatistics(buffers, buffers, {}), NameError,
                 "norm statistics: they need a store of their own with the role buffer, not "
                 "buffers with the role buffer");
  EXPECT_THROW(NormStatistics(theta, buffers, {}), NameError);
  EXPECT_MESSAGE(NormStatistics(own, buffers, {"norm"}), NameError,
                 "store buffers: no parameter named norm.running_mean");
}

}  // namespace
}  // namespace palinode::rbl
