// The command that stands beside a claim gives the claim's figure again.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "experiments/suite/suite.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

SuiteConfig every_study(Size size) {
  SuiteConfig config;
  for (const Study& study : studies()) config.studies.push_back(&study);
  config.size = size;
  return config;
}

Claim of_study(const char* study, bool needs_all) {
  Claim claim;
  claim.study = study;
  claim.needs_all_studies = needs_all;
  return claim;
}

TEST(ClaimCommand, IsOfTheSizeOfTheRun) {
  const Claim one = of_study("E3", false), all = of_study("E3", true);
  EXPECT_EQ(claim_command(every_study(Size::kQuick), one), "palinode study run E3");
  EXPECT_EQ(claim_command(every_study(Size::kQuick), all), "palinode reproduce --quick");
  EXPECT_EQ(claim_command(every_study(Size::kFull), one), "palinode study run E3 --full");
  EXPECT_EQ(claim_command(every_study(Size::kFull), all), "palinode reproduce --full");
}

TEST(ClaimCommand, RunsOneStudyIfOnlyOneBoreOnTheClaim) {
  SuiteConfig config;
  config.studies = {&find_study("E3")};
  EXPECT_EQ(claim_command(config, of_study("E3", true)), "palinode study run E3");
}

TEST(ClaimCommand, IsEmptyIfNoStudyOfTheRunBearsOnTheClaim) {
  EXPECT_EQ(claim_command(every_study(Size::kFull), Claim()), "");
}

TEST(ClaimCommand, HasEveryOptionThatChangesAFigureAndNoOtherStudysSettings) {
  SuiteConfig config = every_study(Size::kFull);
  config.first_seed = 7;
  config.seeds = 2;
  config.data_path = "my digits.csv";
  config.overrides = {
      {"fine-tuning", "arms=[\"R0\"]"}, {"", "alphas=[0.1]"}, {"", "models=[\"a\"]"}};
  EXPECT_EQ(
      claim_command(config, of_study("E4", false)),
      "palinode study run E4 --full --seed 7 --seeds 2 --set 'fine-tuning.arms=[\"R0\"]' --set "
      "'models=[\"a\"]' --data 'my digits.csv'");
  EXPECT_EQ(claim_command(config, of_study("E4", true)),
            "palinode reproduce --full --seed 7 --seeds 2 --set 'fine-tuning.arms=[\"R0\"]' --set "
            "'alphas=[0.1]' --set 'models=[\"a\"]' --data 'my digits.csv'");
}

ordered_json claims_of(std::vector<const char*> arguments) {
  const std::string out = own_folder() + "/claims";
  for (const char* more : {"--quiet", "--json", "--out", out.c_str()}) arguments.push_back(more);
  const Ended ended = run(std::move(arguments));
  EXPECT_EQ(ended.code, 0) << ended.err;
  return ordered_json::parse(ended.out).at("claims");
}

TEST(ClaimCommand, GivesTheFigureAgain) {
  const ordered_json claims = claims_of({"study", "run", "noise", "--full", "--seed", "5",
                                         "--seeds", "2", "--set", "models=[\"digits-mlp\"]"});
  for (const std::size_t place : {1U, 2U, 3U, 6U}) {
    const ordered_json& claim = claims.at(place);
    EXPECT_FALSE(claim.at("figure").is_null()) << claim;
    // No setting here has a space or a quote inside.
    std::istringstream line(claim.at("command").get<std::string>());
    std::vector<std::string> words;
    for (std::string word; line >> word;) {
      std::erase(word, '\'');
      words.push_back(word);
    }
    ASSERT_FALSE(words.empty());
    std::vector<const char*> arguments;
    for (std::size_t i = 1; i < words.size(); ++i) arguments.push_back(words[i].c_str());
    EXPECT_EQ(claims_of(arguments), claims) << claim.at("command");
  }
}

TEST(ClaimCommand, StandsInTheTableOfTheConsole) {
  const std::string out = own_folder() + "/table";
  const Ended ended =
      run({"study", "run", "E3", "--full", "--seeds", "1", "--set", "models=[\"digits-mlp\"]",
           "--set", "alphas=[0.1]", "--quiet", "--out", out.c_str()});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.out.find("               palinode study run E3 --full --seeds 1 --set "
                           "'models=[\"digits-mlp\"]' --set 'alphas=[0.1]'\n"),
            std::string::npos)
      << ended.out;
}

}  // namespace
}  // namespace palinode::experiments
