// Sweeps: what is planted is found, and a sweep that was cut off ends as if it had not been.
#include "experiments/precision/sweep.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments::precision {
namespace {

constexpr std::uint32_t kPlace = 0x3f9d70a4;  // 1.23, in block 508

// Ours, changed by `change` at one input.
Contender planted(const Reference& reference, std::uint32_t place, float (*change)(float)) {
  Contender contender = contenders(reference).front();
  contender.name = "planted";
  contender.run = [run = contender.run, place, change](std::span<const float> x,
                                                       std::span<float> y) {
    run(x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::bit_cast<std::uint32_t>(x[i]) == place) y[i] = change(y[i]);
    }
  };
  return contender;
}

float up(float y) { return std::nextafterf(y, HUGE_VALF); }

// All inputs whose magnitudes are in one block.
Swept swept(const Contender& contender, const Reference& reference) {
  Sweep plan{.every = 0};
  plan.first = kPlace >> 21;
  plan.end = plan.first + 1;
  return sweep(reference, std::span(&contender, 1), plan).contenders.front();
}

TEST(Sweep, FindsOneUlpAtOneInput) {
  const Reference& reference = reference_named("exp");
  const Swept right = swept(contenders(reference).front(), reference);
  EXPECT_EQ(right.tally.inputs, std::uint64_t{1} << 22);
  EXPECT_EQ(right.tally.misrounded, 0U);
  EXPECT_LE(right.tally.max_ulp, 0.5);

  const Swept wrong = swept(planted(reference, kPlace, up), reference);
  EXPECT_EQ(wrong.tally.misrounded, 1U);
  EXPECT_EQ(wrong.tally.worst, std::bit_cast<float>(kPlace));
  EXPECT_GT(wrong.tally.max_ulp, 0.5);
  EXPECT_LE(wrong.tally.max_ulp, 1.5);
  EXPECT_NE(wrong.digest, right.digest);
}

TEST(Sweep, FindsAnInputInTheWrongOrder) {
  const Reference& reference = reference_named("tanh");
  const auto down = [](float y) { return y - 0x1p-10F; };
  const Swept wrong = swept(planted(reference, kPlace, down), reference);
  EXPECT_EQ(wrong.falls, 1U);
  EXPECT_EQ(wrong.asymmetric, 1U);
  EXPECT_EQ(wrong.tally.misrounded, 1U);
  EXPECT_EQ(swept(contenders(reference).front(), reference).falls, 0U);
  // With the sign bit the function falls along the magnitudes.
  const Swept mirrored = swept(planted(reference, kPlace | 0x80000000U, up), reference);
  EXPECT_EQ(mirrored.asymmetric, 1U);
}

TEST(Sweep, CountsANanAsSpecial) {
  const Reference& reference = reference_named("exp");
  const auto nan = [](float) { return std::nanf(""); };
  const Swept wrong = swept(planted(reference, kPlace, nan), reference);
  EXPECT_EQ(wrong.tally.special, 1U);
  EXPECT_EQ(wrong.tally.misrounded, 1U);
}

TEST(Sweep, JudgesHighwayOnWhatItDocuments) {
  const Reference& reference = reference_named("exp");
  std::vector<Contender> all = contenders(reference);
  const SweepResult result = sweep(reference, all, {.every = 14});
  for (const Swept& each : result.contenders) {
    if (each.name != "Highway") continue;
    EXPECT_LT(each.documented.max_ulp, 1.2);
    EXPECT_LT(each.documented.inputs, each.tally.inputs);
    EXPECT_GT(each.tally.max_ulp, 1000);  // it wraps around far above 104
    return;
  }
  FAIL() << "no Highway";
}

Sweep with_checkpoint(const std::string& path) {
  Sweep plan{.every = 6};
  plan.first = 500;
  plan.end = 516;
  plan.checkpoint = path;
  plan.identity = "this program";
  return plan;
}

TEST(Sweep, GoesOnAfterAKillToTheSameFile) {
  const std::size_t before = threads();
  set_threads(1);
  const Reference& reference = reference_named("log");
  const std::vector<Contender> all = contenders(reference);
  const std::string path = testing::TempDir() + "/sweep.jsonl";
  std::filesystem::remove(path);
  const SweepResult whole = sweep(reference, all, with_checkpoint(path));
  const std::string file = read(path);
  // A kill leaves some lines and half of another one.
  const std::size_t cut = file.size() / 2;
  ASSERT_NE(file[cut - 1], '\n');
  std::ofstream(path, std::ios::binary) << file.substr(0, cut);
  const SweepResult resumed = sweep(reference, all, with_checkpoint(path));
  EXPECT_EQ(read(path), file);
  set_threads(before);
  ASSERT_EQ(resumed.inputs, whole.inputs);
  for (std::size_t c = 0; c < all.size(); ++c) {
    EXPECT_EQ(resumed.contenders[c].digest, whole.contenders[c].digest);
    EXPECT_EQ(resumed.contenders[c].tally.misrounded, whole.contenders[c].tally.misrounded);
    EXPECT_EQ(resumed.contenders[c].tally.max_ulp, whole.contenders[c].tally.max_ulp);
  }
}

TEST(Sweep, RefusesTheCheckpointOfAnotherProgram) {
  const Reference& reference = reference_named("log");
  const std::vector<Contender> all = contenders(reference);
  const std::string path = testing::TempDir() + "/other.jsonl";
  std::filesystem::remove(path);
  Sweep plan = with_checkpoint(path);
  sweep(reference, all, plan);
  plan.identity = "another program";
  EXPECT_THROW(sweep(reference, all, plan), FormatError);
}

TEST(Sweep, DoesNotDependOnThreads) {
  const std::size_t before = threads();
  const Reference& reference = reference_named("sin");
  const std::vector<Contender> all = contenders(reference);
  set_threads(1);
  const SweepResult one = sweep(reference, all, {.every = 13});
  set_threads(3);
  const SweepResult three = sweep(reference, all, {.every = 13});
  set_threads(before);
  for (std::size_t c = 0; c < all.size(); ++c) {
    EXPECT_EQ(one.contenders[c].digest, three.contenders[c].digest);
    EXPECT_EQ(one.contenders[c].tally.worst, three.contenders[c].tally.worst);
  }
}

}  // namespace
}  // namespace palinode::experiments::precision
