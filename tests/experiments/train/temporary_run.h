// A run's folder that goes away with the test, and what is under the same-bits contract in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "experiments/train/run_folder.h"

namespace palinode::experiments::train {

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class TemporaryRun : public RunFolder {
 public:
  explicit TemporaryRun(const std::string& name)
      : RunFolder((std::filesystem::temp_directory_path() /
                   ("palinode_run_" + name + "_" + std::to_string(getpid())))
                      .string()) {
    std::filesystem::remove_all(path());
  }
  ~TemporaryRun() { std::filesystem::remove_all(path()); }
  TemporaryRun(const TemporaryRun&) = delete;
  TemporaryRun& operator=(const TemporaryRun&) = delete;
};

inline std::vector<nlohmann::json> metrics_of(const RunFolder& folder, bool with_time = false) {
  std::istringstream text(bytes_of(folder.metrics()));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(nlohmann::json::parse(line));
    if (!with_time) lines.back().erase("time");
  }
  return lines;
}

// Metrics without times, ledger, model, checkpoint: all that two equal runs must share.
inline void expect_same_run(const RunFolder& a, const RunFolder& b) {
  EXPECT_EQ(metrics_of(a), metrics_of(b));
  EXPECT_TRUE(bytes_of(a.ledger()) == bytes_of(b.ledger())) << "the ledgers differ";
  EXPECT_TRUE(bytes_of(a.model()) == bytes_of(b.model())) << "the models differ";
  EXPECT_TRUE(bytes_of(a.checkpoint()) == bytes_of(b.checkpoint())) << "the checkpoints differ";
}

}  // namespace palinode::experiments::train
