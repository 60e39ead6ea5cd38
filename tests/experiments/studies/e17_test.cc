// E17: a cache of keys and values across switches of behavior.
#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome = run_small("E17", "bytes-gpt", 1, {"steps=5", "sequences=4"});
  return kOutcome;
}

TEST(Cache, KeyedRefusesEachSwitchAndIsExactAfterIt) {
  EXPECT_EQ(value_of(seen(), "keyed", "refused"), 2);
  EXPECT_EQ(value_of(seen(), "keyed", "kl-max"), 0);
}

TEST(Cache, UnkeyedLeaksTheBehaviorBeforeIntoTheOneAfterAndIntoNone) {
  EXPECT_EQ(value_of(seen(), "unkeyed", "refused"), 0);
  for (std::size_t position = 0; position < 8; ++position) {
    EXPECT_GT(value_of(seen(), "unkeyed, A to B", "kl", static_cast<double>(position)), 0);
    EXPECT_GT(value_of(seen(), "unkeyed, B to none", "kl", static_cast<double>(position)), 0);
  }
}

TEST(Cache, TheIdentityItselfIsBackAllTheWhile) { EXPECT_EQ(unload_fault(seen().rows), ""); }

TEST(Cache, AModelThatKeepsNoneIsRefused) {
  EXPECT_MESSAGE(run_small("E17", "digits-mlp", 1), UsageError,
                 "E17: mlp-64-64-10 reads no tokens and keeps no cache");
}

TEST(Cache, AnInexactKeyedCacheAndACleanUnkeyedOneAreFaults) {
  const Study& study = find_study("E17");
  EXPECT_EQ(study.fault(seen().rows, seen().points), "");
  for (const char* series : {"keyed", "unkeyed"}) {
    Outcome outcome = seen();
    for (Point& p : outcome.points) {
      if (p.series == series && p.quantity == "kl-max") p.value = p.value == 0 ? 0.5 : 0;
    }
    EXPECT_EQ(study.fault(outcome.rows, outcome.points),
              std::string("E17 ") + series + " seed 1: KL " + (*series == 'k' ? "0.5" : "0"));
  }
}

}  // namespace
}  // namespace palinode::experiments
