// results.db, opened as anybody would.
#include "experiments/results/database.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/results/groups.h"
#include "experiments/suite/suite.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* raw = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    database_.reset(raw);
  }
  // The first column of every line of the answer, as text.
  std::vector<std::string> ask(const std::string& sql) const {
    std::vector<std::string> answer;
    const auto take = [](void* to, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(to)->emplace_back(values[0] ? values[0] : "NULL");
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(database_.get(), sql.c_str(), take, &answer, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database_.get());
    return answer;
  }
  std::string one(const std::string& sql) const {
    const std::vector<std::string> answer = ask(sql);
    EXPECT_EQ(answer.size(), 1U) << sql;
    return answer.empty() ? "" : answer.front();
  }

 private:
  std::unique_ptr<sqlite3, Close> database_;
};

// E3 on one model and two seeds, written once.
struct Written {
  std::string path = testing::TempDir() + "/palinode-results.db";
  ordered_json json;
  Written() {
    SuiteConfig config;
    config.studies = {&find_study("E3"), &find_study("E12")};
    config.seeds = 2;
    config.quiet = true;
    config.overrides = {{"E3", "models=[\"digits-mlp\"]"},
                        {"E3", "alphas=[0.01, 0.3]"},
                        {"E12", "leaks=[0, 8]"},
                        {"E12", "repeats=40"},
                        {"E12", "roc=[0.05]"}};
    json = results_json(config, run_suite(config));
    write_database(path, json);
  }
};
const Written& written() {
  static const Written kWritten;
  return kWritten;
}

TEST(ResultsDatabase, HasALineForEveryRecord) {
  const Database database(written().path);
  for (const char* part : {"rows", "groups", "points", "curves", "claims", "judgements"}) {
    ASSERT_GT(written().json.at(part).size(), 0U) << part;
    EXPECT_EQ(database.one(std::string("select count(*) from ") + part),
              std::to_string(written().json.at(part).size()));
  }
  EXPECT_EQ(database.one("select count(*) from digests"), "2");
  std::size_t settings = 0;
  for (const auto& [study, values] : written().json.at("settings").items())
    settings += values.size();
  EXPECT_EQ(database.one("select count(*) from settings"), std::to_string(settings));
}

TEST(ResultsDatabase, SaysItsSchema) {
  const Database database(written().path);
  EXPECT_EQ(database.one("pragma user_version"), std::to_string(kResultsSchema));
  EXPECT_EQ(database.one("select value from meta where key = 'schema'"),
            std::to_string(kResultsSchema));
  EXPECT_EQ(database.one("pragma integrity_check"), "ok");
}

TEST(ResultsDatabase, HasTheNumbersOfTheJson) {
  const Database database(written().path);
  std::size_t place = 0;
  for (const ordered_json& row : written().json.at("rows")) {
    const std::string where = " from rows where rowid = " + std::to_string(++place);
    EXPECT_EQ(database.one("select digest" + where), row.at("digest").get<std::string>());
    EXPECT_EQ(database.one("select words" + where), row.at("words").dump());
    const std::string kl = database.one("select printf('%!.17g', kl_adapt)" + where);
    EXPECT_EQ(std::strtod(kl.c_str(), nullptr), row.at("kl_adapt").get<double>());
    EXPECT_EQ(database.one("select phi_digest is null" + where),
              row.at("phi_digest").is_null() ? "1" : "0");
  }
  place = 0;
  for (const ordered_json& group : written().json.at("groups")) {
    const std::string where = " from groups where rowid = " + std::to_string(++place);
    if (group.at("rf").is_null()) {
      EXPECT_EQ(database.one("select rf_mean" + where), "NULL");
    } else {
      const std::string rf = database.one("select printf('%!.17g', rf_mean)" + where);
      EXPECT_EQ(std::strtod(rf.c_str(), nullptr), group.at("rf").at("mean").get<double>());
    }
  }
  EXPECT_EQ(database.ask("select verdict from claims order by rowid").size(), 11U);
  std::vector<std::string> verdicts;
  for (const ordered_json& judgement : written().json.at("judgements")) {
    verdicts.push_back(judgement.at("verdict"));
  }
  EXPECT_EQ(database.ask("select verdict from judgements order by rowid"), verdicts);
  EXPECT_EQ(database.one("select statement from judgements where study = 'E3' limit 1"),
            written().json.at("judgements")[0].at("statement").get<std::string>());
}

TEST(ResultsDatabase, TakesWhatIsNotFiniteAsText) {
  const std::string path = testing::TempDir() + "/palinode-infinite.db";
  ordered_json results = written().json;
  results["points"][0]["value"] = "inf";
  write_database(path, results);
  const Database database(path);
  EXPECT_EQ(database.one("select value from points where rowid = 1"), "inf");
  EXPECT_EQ(database.one("select typeof(value) from points where rowid = 1"), "text");
  EXPECT_EQ(database.one("select typeof(value) from points where rowid = 2"), "real");
  std::filesystem::remove(path);
}

TEST(ResultsDatabase, NamesAFileItCannotWrite) {
  EXPECT_THROW(write_database("/proc/palinode.db", written().json), EnvironmentError);
}

}  // namespace
}  // namespace palinode::experiments
