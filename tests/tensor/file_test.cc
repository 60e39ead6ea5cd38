#include "tensor/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

namespace fs = std::filesystem;

class File : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "palinode_file_" + std::to_string(::getpid()) + "/";
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string folder_;
};

TEST_F(File, ReadsBackWhatWasWritten) {
  std::string bytes(100000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  write_file_atomically(folder_ + "a", bytes);
  EXPECT_EQ(read_file(folder_ + "a", bytes.size()), bytes);
  write_file_atomically(folder_ + "a", "");
  EXPECT_EQ(read_file(folder_ + "a", 0), "");
  EXPECT_EQ(files(), 1U);
}

TEST_F(File, IsNotReadBeyondTheLimit) {
  write_file_atomically(folder_ + "a", "12345");
  EXPECT_MESSAGE(read_file(folder_ + "a", 4), FormatError, folder_ + "a: longer than 4 bytes");
  EXPECT_THROW(read_file("/dev/zero", 1 << 20), FormatError);
}

TEST_F(File, ThatCannotBeReadIsNamed) {
  EXPECT_MESSAGE(read_file(folder_ + "a", 4), FormatError,
                 "cannot read " + folder_ + "a: No such file or directory");
  EXPECT_MESSAGE(read_file(folder_, 4096), FormatError,
                 "cannot read " + folder_ + ": Is a directory");
}

TEST_F(File, ThatCannotBeWrittenIsNamed) {
  EXPECT_MESSAGE(write_file_atomically(folder_ + "no/a", "1"), EnvironmentError,
                 "cannot write " + folder_ + "no/a: No such file or directory");
  fs::create_directory(folder_ + "d");
  EXPECT_MESSAGE(write_file_atomically(folder_ + "d", "1"), EnvironmentError,
                 "cannot write " + folder_ + "d: not a file");
  EXPECT_MESSAGE(write_file_atomically("/dev/null", "1"), EnvironmentError,
                 "cannot write /dev/null: not a file");
  EXPECT_EQ(files(), 1U);
}

TEST_F(File, KeepsItsOldBytesWhenTheDiskIsFull) {
  write_file_atomically(folder_ + "a", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_MESSAGE(write_file_atomically(folder_ + "a", std::string(2000, 'n')), EnvironmentError,
                 "cannot write " + folder_ + "a: File too large");
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(folder_ + "a", 100), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(File, ReplacesTheRemainsOfAWriterThatWasKilled) {
  write_file_atomically(folder_ + "a.partial", "a longer text that was not finished");
  write_file_atomically(folder_ + "a", "new");
  EXPECT_EQ(read_file(folder_ + "a", 100), "new");
  EXPECT_EQ(files(), 1U);
}

TEST_F(File, ReplacesALinkAndNotWhatItPointsTo) {
  write_file_atomically(folder_ + "a", "old");
  fs::create_symlink("a", folder_ + "link");
  write_file_atomically(folder_ + "link", "new");
  EXPECT_EQ(read_file(folder_ + "a", 100), "old");
  EXPECT_EQ(read_file(folder_ + "link", 100), "new");
}

}  // namespace
}  // namespace palinode
