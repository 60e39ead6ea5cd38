// What processes do together: all of them, or none goes on.
#include "experiments/suite/peers.h"

#include <gtest/gtest.h>

#include "tensor/error.h"
#include "tests/experiments/two_peers.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

void nothing() {}
void failing() { throw EnvironmentError("no room"); }

TEST(Together, GoesOnIfAllCould) {
  TwoPeers peers(0, "");
  EXPECT_TRUE(together(peers, nothing));
  EXPECT_TRUE(together(*no_peers(), nothing));
}

TEST(Together, EndsAllIfOneCouldNotAndOneSaysWhy) {
  TwoPeers first(0, "failed"), second(1, "failed"), second_alone(1, "");
  EXPECT_FALSE(together(first, nothing));
  EXPECT_MESSAGE(together(first, failing), EnvironmentError, "no room");
  EXPECT_FALSE(together(second, failing)) << "the first has said it";
  EXPECT_MESSAGE(together(second_alone, failing), EnvironmentError, "no room");
  EXPECT_MESSAGE(together(*no_peers(), failing), EnvironmentError, "no room");
}

}  // namespace
}  // namespace palinode::experiments
