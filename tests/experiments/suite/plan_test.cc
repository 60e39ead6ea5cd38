// The plan of a run: which cells there are, and that the peers share them without a word.
#include "experiments/suite/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "experiments/suite/suite.h"
#include "experiments/usage_error.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

SuiteConfig every_study(Size size) {
  SuiteConfig config;
  for (const Study& study : studies()) config.studies.push_back(&study);
  config.size = size;
  return config;
}

std::vector<PlannedCell> plan_of(const SuiteConfig& config) {
  return plan_cells(study_plans(config), config.size, config.first_seed, config.seeds);
}

TEST(Plan, HasEveryStudyModelAndSeedOnce) {
  for (const Size size : {Size::kQuick, Size::kFull}) {
    const SuiteConfig config = every_study(size);
    const std::vector<StudyPlan> plans = study_plans(config);
    std::size_t wanted = 0;
    for (const StudyPlan& plan : plans) {
      for (const std::string& model : plan.settings.words("models")) {
        const std::map<Scale, const char*> knobs = {{Scale::kSmall, "seeds"},
                                                    {Scale::kMedium, "seeds_medium"},
                                                    {Scale::kLarge, "seeds_large"}};
        wanted += plan.settings.count(knobs.at(scale_of(model)));
      }
    }
    std::set<std::string> keys;
    const std::vector<PlannedCell> cells = plan_of(config);
    for (const PlannedCell& cell : cells) keys.insert(cell.key);
    EXPECT_EQ(cells.size(), wanted);
    EXPECT_EQ(keys.size(), wanted);
  }
}

TEST(Plan, GivesModelsOfEachScaleTheirOwnCountOfSeeds) {
  SuiteConfig config;
  config.studies = {&find_study("E3")};
  config.overrides = {{"", "models=[\"digits-mlp\", \"lande\", \"tied-gpt\"]"},
                      {"", "seeds=4"},
                      {"", "seeds_medium=2"},
                      {"", "seeds_large=1"}};
  std::map<std::string, std::vector<std::uint64_t>> seeds;
  config.first_seed = 7;
  for (const PlannedCell& cell : plan_of(config)) seeds[cell.model].push_back(cell.seed);
  EXPECT_EQ(seeds["digits-mlp"], (std::vector<std::uint64_t>{7, 8, 9, 10}));
  EXPECT_EQ(seeds["lande"], (std::vector<std::uint64_t>{7, 8}));
  EXPECT_EQ(seeds["tied-gpt"], std::vector<std::uint64_t>{7});
  config.seeds = 2;  // asked for: of every model
  seeds.clear();
  for (const PlannedCell& cell : plan_of(config)) seeds[cell.model].push_back(cell.seed);
  EXPECT_EQ(seeds["digits-mlp"], (std::vector<std::uint64_t>{7, 8}));
  EXPECT_EQ(seeds["tied-gpt"], (std::vector<std::uint64_t>{7, 8}));
}

TEST(Suite, NamesTheCellWhoseTrainingDiverged) {
  SuiteConfig config;
  config.studies = {&find_study("E2")};
  config.overrides = {{"", "rates=[1e38]"}};
  config.seeds = 1;
  config.quiet = true;
  EXPECT_MESSAGE(run_suite(config), NonFiniteError,
                 "E2/digits-mlp/1: commit: phi/layer.0.lora_A would hold a NaN or an infinity; "
                 "proposed by adam.phi, step 1");
}

TEST(Plan, OfNoSeedsIsNoRun) {
  SuiteConfig config;
  config.studies = {&find_study("E1")};
  config.overrides = {{"", "seeds=0"}, {"", "seeds_medium=0"}, {"", "seeds_large=0"}};
  config.quiet = true;
  EXPECT_MESSAGE(run_suite(config), UsageError, "nothing to run: every study has 0 seeds");
}

double weight(const PlannedCell& cell) { return cell.seconds.value_or(1); }

// Plans with costs from none to heavy.
std::vector<PlannedCell> uneven() {
  std::vector<PlannedCell> cells;
  for (std::size_t study = 0; study < 5; ++study) {
    for (std::size_t model = 0; model < 4; ++model) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        PlannedCell cell{study, "model-" + std::to_string(model), seed, "", std::nullopt};
        if (model != 3) cell.seconds = 0.1 * static_cast<double>((model + 1) * (study * study + 1));
        cells.push_back(cell);
      }
    }
  }
  return cells;
}

TEST(Share, HasEveryCellOnExactlyOnePeer) {
  for (const std::vector<PlannedCell>& cells : {uneven(), plan_of(every_study(Size::kFull))}) {
    for (std::size_t peers = 1; peers <= 5; ++peers) {
      std::vector<std::size_t> times(cells.size(), 0);
      for (std::size_t rank = 0; rank < peers; ++rank) {
        for (const std::size_t place : share_of(cells, rank, peers)) ++times.at(place);
      }
      EXPECT_EQ(std::ranges::count(times, 1U), static_cast<std::ptrdiff_t>(cells.size())) << peers;
    }
  }
}

TEST(Share, HasAModelAndSeedOnOnePeer) {
  const std::vector<PlannedCell> cells = plan_of(every_study(Size::kFull));
  for (std::size_t peers = 1; peers <= 5; ++peers) {
    std::map<std::pair<std::string, std::uint64_t>, std::set<std::size_t>> ranks;
    for (std::size_t rank = 0; rank < peers; ++rank) {
      for (const std::size_t place : share_of(cells, rank, peers)) {
        ranks[{cells[place].model, cells[place].seed}].insert(rank);
      }
    }
    for (const auto& [identity, its] : ranks) {
      EXPECT_EQ(its.size(), 1U) << identity.first << " " << identity.second;
    }
  }
}

// Heaviest first onto the least loaded: no two peers are further apart than one identity's cells.
TEST(Share, IsBalanced) {
  for (const std::vector<PlannedCell>& cells : {uneven(), plan_of(every_study(Size::kFull))}) {
    std::map<std::pair<std::string, std::uint64_t>, double> bundles;
    for (const PlannedCell& cell : cells) bundles[{cell.model, cell.seed}] += weight(cell);
    double heaviest = 0;
    for (const auto& [identity, sum] : bundles) heaviest = std::max(heaviest, sum);
    for (std::size_t peers = 2; peers <= 5; ++peers) {
      std::vector<double> load(peers, 0);
      for (std::size_t rank = 0; rank < peers; ++rank) {
        for (const std::size_t place : share_of(cells, rank, peers)) {
          load[rank] += weight(cells[place]);
        }
      }
      const auto [least, most] = std::ranges::minmax(load);
      EXPECT_GT(least, 0) << peers;
      EXPECT_LE(most - least, heaviest * (1 + 1e-12)) << peers;
    }
  }
}

TEST(Share, StartsWithTheHeaviestIdentity) {
  const std::vector<PlannedCell> cells = uneven();
  const std::vector<std::size_t> all = share_of(cells, 0, 1);
  EXPECT_EQ(cells[all.front()].model, "model-2");
  EXPECT_EQ(cells[all.back()].model, "model-0");
}

}  // namespace
}  // namespace palinode::experiments
