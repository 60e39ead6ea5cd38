// Studies whose cells several processes share: the digest of one process, killed in between or not.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/experiments/mpirun.h"

namespace palinode::experiments {
namespace {

namespace fs = std::filesystem;

// A folder for results that goes away with the test.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(testing::TempDir() + "/palinode_mpi_" + name + "_" + std::to_string(getpid())) {
    fs::remove_all(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

  std::size_t finished_cells() const {
    std::size_t lines = 0;
    for (const char* name : {"/cells.jsonl", "/cells.1.jsonl"}) {
      std::ifstream file(path_ + name);
      for (std::string line; std::getline(file, line) && !file.eof();) ++lines;
    }
    return lines;
  }

 private:
  std::string path_;
};

std::vector<std::string> study(const char* name, const char* seeds, const Folder& folder,
                               bool quiet = true) {
  std::vector<std::string> arguments = {"study", "run",   name,          "--seeds",
                                        seeds,   "--out", folder.path(), "--json"};
  if (quiet) arguments.emplace_back("--quiet");
  return arguments;
}

std::string digest_of(MpiRun& run, const char* name) {
  EXPECT_EQ(run.wait(), 0) << run.err();
  const auto json = nlohmann::json::parse(run.out(), nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << run.out().substr(0, 200);
  return json.is_discarded() ? "" : json["digests"][name]["computed"].get<std::string>();
}

TEST(StudiesUnderMpi, HaveTheDigestOfOneProcess) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Folder alone("alone");
  MpiRun one(0, study("E0", "2", alone));
  const std::string want = digest_of(one, "E0");
  EXPECT_EQ(want.size(), 64U);
  for (const int processes : {2, 4}) {
    const Folder folder(std::to_string(processes));
    MpiRun run(processes, study("E0", "2", folder));
    EXPECT_EQ(digest_of(run, "E0"), want) << processes << " processes";
  }
}

// E4 on four seeds and two processes, killed when two cells of four are finished.
void kill_midway(const Folder& folder) {
  MpiRun killed(2, study("E4", "4", folder));
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (folder.finished_cells() < 2 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  killed.kill_all();
}

TEST(StudiesUnderMpi, GoOnAfterAllProcessesWereKilled) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Folder alone("whole");
  MpiRun one(0, study("E4", "4", alone));
  const std::string want = digest_of(one, "E4");
  for (const int processes : {2, 0}) {
    const Folder folder("killed");
    kill_midway(folder);
    ASSERT_FALSE(fs::exists(folder.path() + "/results.json")) << "the study was over too soon";
    const std::size_t finished = folder.finished_cells();
    ASSERT_GE(finished, 2U);
    MpiRun again(processes, study("E4", "4", folder, false));
    EXPECT_EQ(digest_of(again, "E4"), want);
    const std::string line =
        "going on: " + std::to_string(finished) + " cells were finished by an earlier run\n";
    EXPECT_NE(again.err().find(line), std::string::npos) << processes << again.err();
    EXPECT_EQ(folder.finished_cells(), 0U) << "the files of cells are left";
  }
}

TEST(StudiesUnderMpi, AFreshRunOfOneProcessDropsWhatTwoHaveLeft) {
  if (!mpi_is_here()) GTEST_SKIP() << "no mpirun here";
  const Folder folder("dropped");
  fs::create_directories(folder.path());
  std::ofstream(folder.path() + "/cells.1.jsonl") << "{}\n";
  std::vector<std::string> words = study("E0", "1", folder, false);
  words.emplace_back("--fresh");
  MpiRun run(0, words);
  EXPECT_EQ(run.wait(), 0) << run.err();
  EXPECT_FALSE(fs::exists(folder.path() + "/cells.1.jsonl"));
}

}  // namespace
}  // namespace palinode::experiments
