// Runs of the program, alone or as the processes of an mpirun, with their output in two files.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace palinode::experiments {

// Whether there is an mpirun, and the module that the program loads for it.
inline bool mpi_is_here() {
  namespace fs = std::filesystem;
  if (!fs::exists(fs::path(PALINODE_PROGRAM).parent_path() / "libpalinode_mpi.so")) return false;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/mpirun").c_str(), X_OK) == 0) return true;
  }
  return false;
}

class MpiRun {
 public:
  // `processes` of an mpirun, or with 0 the program without one.
  MpiRun(int processes, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PALINODE_PROGRAM);
    if (processes > 0) {
      arguments.emplace_back("--mpi");
      arguments.insert(arguments.begin(), {"mpirun", "--allow-run-as-root", "--oversubscribe", "-n",
                                           std::to_string(processes)});
    }
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      posix_spawn_file_actions_addopen(&files, stream, path(stream).c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    EXPECT_EQ(::posix_spawnp(&id_, argv[0], &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }
  MpiRun(const MpiRun&) = delete;
  MpiRun& operator=(const MpiRun&) = delete;
  ~MpiRun() {
    if (id_ > 0) kill_all();
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::unlink(path(stream).c_str());
  }

  // Its exit code, or minus the signal that ended it.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(std::exchange(id_, 0), &status, 0) > 0, true);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // The mpirun and its processes, by a signal that nothing can catch, until none is left.
  void kill_all() {
    const std::vector<pid_t> processes = children();
    ::kill(id_, SIGKILL);
    for (const pid_t process : processes) ::kill(process, SIGKILL);
    wait();
    for (const pid_t process : processes) {
      while (runs(process)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  // The program's processes, if an mpirun has started any yet.
  std::vector<pid_t> children() const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (stat_of(std::stoi(name)).second == id_) found.push_back(std::stoi(name));
    }
    return found;
  }

  std::string out() const { return text(STDOUT_FILENO); }
  std::string err() const { return text(STDERR_FILENO); }

 private:
  // The state of a process and its parent; ' ' and 0 for one that is gone.
  static std::pair<char, pid_t> stat_of(pid_t id) {
    std::ifstream file("/proc/" + std::to_string(id) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::size_t name_end = text.rfind(')');  // the name may hold anything
    if (name_end == std::string::npos) return {' ', 0};
    std::istringstream rest(text.substr(name_end + 1));
    char state = ' ';
    pid_t parent = 0;
    rest >> state >> parent;
    return {state, parent};
  }
  static bool runs(pid_t id) {
    const char state = stat_of(id).first;
    return state != ' ' && state != 'Z' && state != 'X';
  }

  std::string text(int stream) const {
    std::ifstream file(path(stream), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::string path(int stream) const {
    return testing::TempDir() + "/palinode_mpirun_" + std::to_string(getpid()) + "_" +
           std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "_" + std::to_string(stream);
  }

  pid_t id_ = 0;
};

}  // namespace palinode::experiments
