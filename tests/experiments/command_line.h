// One command of `palinode` in this process, and what it printed.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "experiments/cli.h"
#include "tensor/gemm.h"

namespace palinode::experiments {

struct Ended {
  int code;
  std::string out, err;
};

inline Ended run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "palinode");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  use_gemm(Gemm::kCanonical);
  std::fflush(stdout);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

// A folder of this process's own: tests run side by side.
inline std::string own_folder() {
  const std::string path = testing::TempDir() + "palinode-" + std::to_string(getpid());
  std::filesystem::create_directories(path);
  return path;
}

inline std::string temporary(const std::string& name, const std::string& content) {
  const std::string path = own_folder() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void expect_one_line(const Ended& ended, int code, const std::string& part) {
  EXPECT_EQ(ended.code, code);
  EXPECT_EQ(ended.out, "");
  EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << ended.err;
  EXPECT_TRUE(ended.err.starts_with("palinode: ")) << ended.err;
}

}  // namespace palinode::experiments
