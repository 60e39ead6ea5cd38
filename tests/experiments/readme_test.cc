// The README's example is the program that the build compiles and the tests run.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string read(const std::string& name) {
  std::ifstream file(std::string(PALINODE_ROOT) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Readme, ShowsTheExampleThatIsCompiledAndRun) {
  EXPECT_NE(read("README.md").find("```cpp\n" + read("docs/example.cc") + "```\n"),
            std::string::npos)
      << "README.md and docs/example.cc differ";
}

}  // namespace
