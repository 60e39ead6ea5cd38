// A run that is killed goes on where it stopped, and ends with the bits of one that was not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

namespace fs = std::filesystem;

// The program's E4 on six seeds, with few arms, in a process of its own that writes to `out` and
// says what it says into a file beside it.
class Child {
 public:
  explicit Child(const std::string& out) : said_(out + ".err") {
    std::vector<std::string> words = {PALINODE_PROGRAM,
                                      "study",
                                      "run",
                                      "E4",
                                      "--seeds",
                                      "6",
                                      "--threads",
                                      "1",
                                      "--set",
                                      "arms=[\"R0\", \"R1\", \"R6\"]",
                                      "--out",
                                      out};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, said_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int failed =
        posix_spawn(&process_, PALINODE_PROGRAM, &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    EXPECT_EQ(failed, 0);
  }

  void kill() { ::kill(process_, SIGKILL); }
  // What wait() says of it.
  int end() {
    int status = 0;
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    return status;
  }
  std::string said() const { return read(said_); }

 private:
  std::string said_;
  pid_t process_ = -1;
};

std::ptrdiff_t finished_in(const std::string& out) {
  return std::ranges::count(read(out + "/cells.jsonl"), '\n');
}

nlohmann::json digests(const std::string& out) {
  return nlohmann::json::parse(read(out + "/results.json")).at("digests");
}

std::string empty_folder(const char* name) {
  const std::string path = testing::TempDir() + "/" + name;
  fs::remove_all(path);
  return path;
}

TEST(Resume, EndsWithTheBitsOfARunThatWasNotKilled) {
  const std::string out = empty_folder("palinode-killed"), whole = empty_folder("palinode-whole");
  Child first(out);
  for (int i = 0; i < 60000 && finished_in(out) < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  first.kill();
  const int status = first.end();
  ASSERT_TRUE(WIFSIGNALED(status)) << "it was over before it could be killed";
  const std::ptrdiff_t before = finished_in(out);
  ASSERT_GE(before, 2);
  ASSERT_LT(before, 6);
  EXPECT_FALSE(fs::exists(out + "/results.json"));

  Child second(out);
  EXPECT_EQ(second.end(), 0) << second.said();
  EXPECT_NE(second.said().find("going on: " + std::to_string(before) + " cells were finished"),
            std::string::npos)
      << second.said();
  EXPECT_FALSE(fs::exists(out + "/cells.jsonl"));

  Child uninterrupted(whole);
  EXPECT_EQ(uninterrupted.end(), 0) << uninterrupted.said();
  EXPECT_EQ(uninterrupted.said().find("going on"), std::string::npos);
  EXPECT_EQ(digests(out), digests(whole));
  EXPECT_EQ(digests(out).at("E4").at("computed").get<std::string>().size(), 64U);
  fs::remove_all(out);
  fs::remove_all(whole);
}

}  // namespace
}  // namespace palinode::experiments
