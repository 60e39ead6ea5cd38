#include "tensor/arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/descriptor.h"

namespace palinode {
namespace {

constexpr std::string_view kFirst = "identity", kSecond = "behavior";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Arena make(Guard strongest) {
  const std::vector<std::span<const std::byte>> parts = {bytes_of(kFirst), {}, bytes_of(kSecond)};
  return Arena(parts, strongest);
}

std::string_view text_at(const std::byte* place, std::size_t size) {
  return {reinterpret_cast<const char*>(place), size};
}

// The address without its const, as one who does not care about types has it.
void* open_address(const std::byte* place) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(place));
}

// Ways to write that no handler sees: errno of each, 0 if it wrote.
int through_process_memory(const std::byte* place) {
  const Descriptor memory(::open("/proc/self/mem", O_RDWR | O_CLOEXEC));
  if (!memory.open()) return errno;
  const auto offset = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(place));
  return ::pwrite(memory.get(), "X", 1, offset) == 1 ? 0 : errno;
}

int through_another_process(const std::byte* place) {
  char letter = 'X';
  const iovec from{&letter, 1}, to{open_address(place), 1};
  return ::process_vm_writev(::getpid(), &from, 1, &to, 1, 0) == 1 ? 0 : errno;
}

int through_a_system_call(const std::byte* place) {
  const Descriptor zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  return ::read(zero.get(), open_address(place), 1) == 1 ? 0 : errno;
}

struct ArenaTest : testing::Test {
  Arena sealed = make(Guard::kSealed);
  Arena guarded = make(Guard::kProtected);

  void SetUp() override {
    if (sealed.guard() != Guard::kSealed) GTEST_SKIP() << "no sealed memory on this system";
  }
  static void expect_as_it_was(const Arena& arena) {
    EXPECT_EQ(text_at(arena.part(0), kFirst.size()), kFirst);
    EXPECT_EQ(text_at(arena.part(2), kSecond.size()), kSecond);
  }
};

TEST_F(ArenaTest, HoldsItsPartsOnCacheLinesBehindTheGuardAskedFor) {
  for (const Arena* arena : {&sealed, &guarded}) {
    expect_as_it_was(*arena);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena->part(i)) % 64, 0U);
    }
  }
  EXPECT_EQ(sealed.guard(), Guard::kSealed);
  EXPECT_EQ(guarded.guard(), Guard::kProtected);
  EXPECT_EQ(guard_name(sealed.guard()), "sealed");
  EXPECT_EQ(guard_name(guarded.guard()), "protected");
}

TEST_F(ArenaTest, NothingAtAllStillTakesAPage) {
  EXPECT_EQ(Arena({}).size(), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_F(ArenaTest, MprotectCannotOpenSealedPagesAgain) {
  EXPECT_EQ(::mprotect(open_address(sealed.part(0)), sealed.size(), PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
  expect_as_it_was(sealed);
}

TEST_F(ArenaTest, MprotectOpensTheOthersSoTheTestAboveCanFail) {
  void* const pages = open_address(guarded.part(0));
  ASSERT_EQ(::mprotect(pages, guarded.size(), PROT_READ | PROT_WRITE), 0);
  std::memcpy(pages, "I", 1);
  ASSERT_EQ(::mprotect(pages, guarded.size(), PROT_READ), 0);
  EXPECT_EQ(text_at(guarded.part(0), kFirst.size()), "Identity");
}

TEST_F(ArenaTest, TheKernelWritesToNeitherOnBehalfOfAnybody) {
  for (const Arena* arena : {&sealed, &guarded}) {
    EXPECT_EQ(through_process_memory(arena->part(0)), EIO) << guard_name(arena->guard());
    EXPECT_EQ(through_another_process(arena->part(0)), EFAULT) << guard_name(arena->guard());
    EXPECT_EQ(through_a_system_call(arena->part(0)), EFAULT) << guard_name(arena->guard());
    expect_as_it_was(*arena);
  }
}

TEST_F(ArenaTest, ProcessMemoryWritesToOrdinaryReadOnlyPagesSoTheTestAboveCanFail) {
  const std::size_t size = sealed.size();
  void* const pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const auto* const place = static_cast<const std::byte*>(pages);
  EXPECT_EQ(through_process_memory(place), 0);
  EXPECT_EQ(text_at(place, 1), "X");
  EXPECT_EQ(::munmap(pages, size), 0);
}

TEST_F(ArenaTest, PagesThatAreDroppedComeBackAsTheyWere) {
  for (const Arena* arena : {&sealed, &guarded}) {
    void* const pages = open_address(arena->part(0));
    EXPECT_EQ(::madvise(pages, arena->size(), MADV_DONTNEED), 0);
    expect_as_it_was(*arena);
  }
  EXPECT_EQ(::madvise(open_address(sealed.part(0)), sealed.size(), MADV_REMOVE), -1);
  expect_as_it_was(sealed);
}

// /proc/self/map_files gives a descriptor of any mapped file to those who may have one.
TEST_F(ArenaTest, ADescriptorOfSealedPagesCannotWriteOrCutThem) {
  const auto begin = reinterpret_cast<std::uintptr_t>(sealed.part(0));
  const std::string name =
      fmt::format("/proc/self/map_files/{:x}-{:x}", begin, begin + sealed.size());
  const Descriptor file(::open(name.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.open()) GTEST_SKIP() << "map_files is not open to this user: " << std::strerror(errno);
  EXPECT_EQ(::pwrite(file.get(), "X", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(file.get(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::mmap(nullptr, sealed.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0),
            MAP_FAILED);
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, 0), -1);
  expect_as_it_was(sealed);
}

TEST_F(ArenaTest, LeavesNoDescriptorOpen) {
  const auto lowest_free = [] { return Descriptor(::open("/dev/null", O_RDONLY)).get(); };
  const int before = lowest_free();
  const Arena another = make(Guard::kSealed);
  EXPECT_EQ(lowest_free(), before);
}

}  // namespace
}  // namespace palinode
