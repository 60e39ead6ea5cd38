// A small model on digits, made by the command line, and the commands that are tried with it.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/experiments/command_line.h"
#include "tests/rbl/trained.h"

namespace palinode::experiments {

inline Ended run_all(const std::vector<std::string>& arguments) {
  std::vector<const char*> all;
  for (const std::string& argument : arguments) all.push_back(argument.c_str());
  return run(all);
}

inline std::vector<std::string> operator+(std::vector<std::string> a,
                                          const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A small model on digits, and a folder for what is made of it.
struct DigitsModel {
  rbl::TemporaryFolder folder{"behavior_command"};
  std::string model = folder / "run/model.safetensors";

  DigitsModel() {
    const Ended ended = run_all({"train", "digits_mlp", "--quiet", "--out", folder / "run", "--set",
                                 "train.steps=40", "--ledger", "off"});
    EXPECT_EQ(ended.code, 0) << ended.err;
  }
  std::string file(const std::string& name) const { return folder / name; }
  Ended adapt(const std::string& name, const std::vector<std::string>& more) const {
    return run_all(
        std::vector<std::string>{"adapt", "--identity", model, "--quiet", "--out", file(name)} +
        more);
  }
};

inline nlohmann::json json_of(const Ended& ended) {
  EXPECT_EQ(ended.code, 0) << ended.err;
  return nlohmann::json::parse(ended.out);
}

}  // namespace palinode::experiments
