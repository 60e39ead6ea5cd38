// A C source built into a shared library, as somebody with a kernel of their own would.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace palinode::experiments::precision {

inline std::string built(const std::string& source, const std::string& name) {
  // In a folder of this process's own: tests run side by side.
  const std::string folder = testing::TempDir() + "palinode-" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/" + name;
  const std::string command = "c++ -x c -O2 -ffp-contract=off -shared -fPIC -o '" + path + "' '" +
                              PALINODE_ROOT + "/" + source + "' -lm";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return path;
}

}  // namespace palinode::experiments::precision
