// Intervals of a group: seeds are resampled, and for each of them its probes.
#include "experiments/results/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

namespace palinode::experiments {
namespace {

using Probes = std::vector<double>;

double mean(const Probes& values) {
  double sum = 0;
  for (const double value : values) sum = sum + value;
  return sum / static_cast<double>(values.size());
}

// What is measured on each probe of a seed.
struct Seed {
  Probes kl_adapt, js_adapt, kl_rec, js_rec;
};

Row row_of(const Seed& seed) {
  Row row;
  row.words = 1;
  row.kl_adapt = mean(seed.kl_adapt);
  row.js_adapt = mean(seed.js_adapt);
  row.kl_rec = mean(seed.kl_rec);
  row.js_rec = mean(seed.js_rec);
  row.kl_adapt_resampled = resampled_means(seed.kl_adapt);
  row.js_adapt_resampled = resampled_means(seed.js_adapt);
  row.kl_rec_resampled = resampled_means(seed.kl_rec);
  row.js_rec_resampled = resampled_means(seed.js_rec);
  row.rf = rbl::recoverability(row.kl_adapt, row.kl_rec);
  return row;
}

std::vector<Row> rows_of(const std::vector<Seed>& seeds) {
  std::vector<Row> rows;
  for (const Seed& seed : seeds) {
    rows.push_back(row_of(seed));
    rows.back().seed = rows.size();
  }
  return rows;
}

Group group_of(const std::vector<Row>& rows) {
  const std::vector<Group> groups = group_rows(rows);
  EXPECT_EQ(groups.size(), 1U);
  return groups.front();
}

// Four seeds of six probes each, no two alike.
std::vector<Seed> uneven() {
  std::vector<Seed> seeds;
  for (std::uint64_t s = 0; s < 4; ++s) {
    const auto some = [s](const char* name) {
      Probes values;
      for (std::uint64_t i = 0; i < 6; ++i) {
        values.push_back(0.125 * static_cast<double>(1 + Rng(s).stream(name).below(i, 1000)));
      }
      return values;
    };
    seeds.push_back({some("kl adapt"), some("js adapt"), some("kl rec"), some("js rec")});
  }
  return seeds;
}

// The value a share of the way through the sorted means.
double at_share(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

// The interval by its definition: a seed by chance, one of its 32 sets of probes by chance, the
// figure on those probes; `figure(seed, places)`.
template <class Figure>
void expect_by_definition(const Summary& got, const std::vector<Seed>& seeds, const char* name,
                          Figure figure) {
  const Rng seed_of = Rng(0).stream("bootstrap").stream(name);
  const Rng set_of = Rng(0).stream("bootstrap/inner").stream(name);
  const Rng probe_of = Rng(0).stream("bootstrap/probes");
  const std::size_t probes = seeds.front().kl_adapt.size();
  std::vector<double> means;
  for (std::size_t resample = 0; resample < 10000; ++resample) {
    Probes drawn;
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      const std::uint64_t place = resample * seeds.size() + i;
      const Seed& seed = seeds[seed_of.below(place, seeds.size())];
      const std::uint64_t set = set_of.below(place, 32);
      std::vector<std::size_t> places;
      for (std::size_t p = 0; p < probes; ++p) {
        places.push_back(probe_of.below(set * probes + p, probes));
      }
      drawn.push_back(figure(seed, places));
    }
    means.push_back(mean(drawn));
  }
  std::ranges::sort(means);
  EXPECT_NEAR(got.lo, at_share(means, 0.025), 1e-12 * std::abs(got.lo)) << name;
  EXPECT_NEAR(got.hi, at_share(means, 0.975), 1e-12 * std::abs(got.hi)) << name;
}

double mean_at(const Probes& probes, const std::vector<std::size_t>& places) {
  Probes drawn;
  for (const std::size_t place : places) drawn.push_back(probes[place]);
  return mean(drawn);
}

TEST(Group, HasTheIntervalOfANaiveLoopOverSeedsAndProbes) {
  const std::vector<Seed> seeds = uneven();
  const std::vector<Row> rows = rows_of(seeds);
  const Group group = group_of(rows);
  using Places = std::vector<std::size_t>;
  expect_by_definition(
      group.kl_adapt, seeds, "kl_adapt",
      [](const Seed& seed, const Places& places) { return mean_at(seed.kl_adapt, places); });
  expect_by_definition(
      group.js_adapt, seeds, "js_adapt",
      [](const Seed& seed, const Places& places) { return mean_at(seed.js_adapt, places); });
  expect_by_definition(group.kl_rec, seeds, "kl_rec", [](const Seed& seed, const Places& places) {
    return mean_at(seed.kl_rec, places);
  });
  expect_by_definition(group.js_rec, seeds, "js_rec", [](const Seed& seed, const Places& places) {
    return mean_at(seed.js_rec, places);
  });
  ASSERT_TRUE(group.rf);
  expect_by_definition(*group.rf, seeds, "rf", [](const Seed& seed, const Places& places) {
    return 1 - mean_at(seed.kl_rec, places) / mean_at(seed.kl_adapt, places);
  });
}

TEST(Group, HasTheMeansAndMediansOfItsSeeds) {
  const std::vector<Row> rows = rows_of(uneven());
  const Group group = group_of(rows);
  std::vector<double> values;
  for (const Row& row : rows) values.push_back(row.js_rec);
  const Summary plain = summarize(values, "js_rec");
  EXPECT_EQ(group.js_rec.mean, plain.mean);
  EXPECT_EQ(group.js_rec.median, plain.median);
}

TEST(Group, HasAnIntervalWhereOnlyTheProbesVary) {
  const Probes some = {0.25, 0.5, 1, 2}, others = {0.5, 0.125, 0.25, 1};
  const std::vector<Row> rows = rows_of(std::vector<Seed>(5, {some, others, others, some}));
  const Group group = group_of(rows);
  for (const Summary* summary :
       {&group.kl_adapt, &group.js_adapt, &group.kl_rec, &group.js_rec, &*group.rf}) {
    EXPECT_LT(summary->lo, summary->mean);
    EXPECT_GT(summary->hi, summary->mean);
  }
}

TEST(Group, HasTheIntervalOfItsSeedsWhereTheProbesDoNotVary) {
  std::vector<Seed> seeds;
  for (const double x : {0.5, 0.75, 1.0, 4.0}) {
    seeds.push_back({Probes(8, x), Probes(8, x / 2), Probes(8, x / 4), Probes(8, x / 8)});
  }
  const std::vector<Row> rows = rows_of(seeds);
  const Group group = group_of(rows);
  const auto expect_plain = [&rows](const Summary& got, const char* name, double Row::*figure) {
    std::vector<double> values;
    for (const Row& row : rows) values.push_back(row.*figure);
    const Summary plain = summarize(values, name);
    EXPECT_EQ(got.lo, plain.lo) << name;
    EXPECT_EQ(got.hi, plain.hi) << name;
    EXPECT_LT(got.lo, got.hi) << name;
  };
  expect_plain(group.kl_adapt, "kl_adapt", &Row::kl_adapt);
  expect_plain(group.js_adapt, "js_adapt", &Row::js_adapt);
  expect_plain(group.kl_rec, "kl_rec", &Row::kl_rec);
  expect_plain(group.js_rec, "js_rec", &Row::js_rec);
}

TEST(Group, ResamplesSeedsAloneWhereOneOfThemHasNoResampledProbes) {
  std::vector<Row> rows = rows_of(uneven());
  rows[1].kl_adapt_resampled.clear();
  rows[1].kl_rec_resampled.clear();
  const Group group = group_of(rows);
  std::vector<double> values;
  for (const Row& row : rows) values.push_back(row.kl_adapt);
  EXPECT_EQ(group.kl_adapt.lo, summarize(values, "kl_adapt").lo);
  EXPECT_EQ(group.kl_adapt.hi, summarize(values, "kl_adapt").hi);
}

// A rollback that halves every probe's divergence has RF 1/2 on any set of them, if both lists are
// of the same sets.
TEST(ResampledProbes, AreTheSameForWhatIsCompared) {
  const Probes before = {0.25, 3, 0.5, 7, 1, 0.125};
  Probes after = before;
  for (double& x : after) x = x / 2;
  const Row row = row_of({before, before, after, after});
  EXPECT_EQ(resampled_recoverability(row), std::vector<double>(kResampledProbes, 0.5));
}

TEST(ResampledProbes, GiveNoRecoverabilityWhereNothingWasLost) {
  const Row nothing = row_of({Probes(4, 0), Probes(4, 0), Probes(4, 0), Probes(4, 0)});
  EXPECT_TRUE(resampled_recoverability(nothing).empty());
  // One probe of eight was moved: sets without it have no RF and are left out.
  const Probes one = {0, 0, 0, 0, 0, 0, 0, 8};
  const Row row = row_of({one, one, Probes(8, 0), Probes(8, 0)});
  const std::vector<double> found = resampled_recoverability(row);
  const auto moved = std::ranges::count_if(row.kl_adapt_resampled, [](double x) { return x > 0; });
  EXPECT_LT(moved, 32);
  EXPECT_EQ(found, std::vector<double>(static_cast<std::size_t>(moved), 1.0));
}

TEST(ResampledProbes, OfListsOfUnequalLengthAreAnError) {
  Row row = row_of({{1, 2}, {1, 2}, {0, 1}, {0, 1}});
  row.kl_rec_resampled.pop_back();
  EXPECT_THROW(resampled_recoverability(row), ShapeError);
}

}  // namespace
}  // namespace palinode::experiments
