#include "tensor/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace palinode {
namespace {

using Sizes = std::initializer_list<std::size_t>;

using Ranges = std::vector<std::pair<std::size_t, std::size_t>>;

class Parallel : public testing::Test {
 protected:
  ~Parallel() override { set_threads(before_); }

  static Ranges ranges_of(std::size_t count, std::size_t min_per_range) {
    Ranges ranges;
    std::mutex mutex;
    parallel_for(count, min_per_range, [&](std::size_t begin, std::size_t end) {
      const std::lock_guard lock(mutex);
      ranges.emplace_back(begin, end);
    });
    std::sort(ranges.begin(), ranges.end());
    return ranges;
  }

 private:
  std::size_t before_ = threads();
};

#if __has_include(<sys/single_threaded.h>)
// In a process of its own: here there may have been threads before.
TEST(ParallelDeathTest, AProcessThatWantsOneThreadNeverStartsAnother) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto run = [](std::size_t count) {
    set_threads(count);
    parallel_for(100, 1, [](std::size_t, std::size_t) {});
    std::exit(__libc_single_threaded != 0 ? 0 : 1);
  };
  EXPECT_EXIT(run(1), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(run(2), testing::ExitedWithCode(1), "");
}
#endif

TEST_F(Parallel, RangesCoverEveryIndexOnce) {
  for (const std::size_t count : Sizes{1, 2, 3, 7, 100, 101}) {
    for (const std::size_t used : Sizes{1, 2, 3, 8}) {
      set_threads(used);
      std::size_t next = 0;
      for (const auto& [begin, end] : ranges_of(count, 1)) {
        EXPECT_EQ(begin, next);
        EXPECT_LT(begin, end);
        next = end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST_F(Parallel, NoRangeIsShorterThanTheMinimum) {
  set_threads(8);
  for (const auto& [begin, end] : ranges_of(1000, 300)) EXPECT_GE(end - begin, 300u);
}

TEST_F(Parallel, SmallWorkStaysOnTheCaller) {
  set_threads(4);
  std::thread::id where;
  parallel_for(10, 6, [&](std::size_t, std::size_t) { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(Parallel, NothingToDoCallsNothing) { EXPECT_EQ(ranges_of(0, 1), Ranges{}); }

TEST_F(Parallel, WorkInsideWorkStaysOnItsThread) {
  set_threads(3);
  std::atomic<int> elsewhere = 0;
  parallel_for(3, 1, [&](std::size_t, std::size_t) {
    const auto outer = std::this_thread::get_id();
    parallel_for(100, 1, [&](std::size_t, std::size_t) {
      if (std::this_thread::get_id() != outer) ++elsewhere;
    });
  });
  EXPECT_EQ(elsewhere, 0);
}

TEST_F(Parallel, TheFirstExceptionByRangeIsRethrown) {
  set_threads(3);
  for (int round = 0; round < 50; ++round) {
    try {
      parallel_for(3, 1, [](std::size_t begin, std::size_t) {
        if (begin > 0) throw std::runtime_error(std::to_string(begin));
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "1");
    }
  }
}

TEST_F(Parallel, WorksAgainAfterAnException) {
  set_threads(2);
  EXPECT_THROW(parallel_for(2, 1, [](std::size_t, std::size_t) { throw ShapeError("no"); }),
               ShapeError);
  EXPECT_EQ(ranges_of(2, 1).size(), 2u);
}

TEST_F(Parallel, CallersOnSeveralThreadsAllFinish) {
  set_threads(3);
  std::atomic<std::size_t> total = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        parallel_for(10, 1, [&](std::size_t begin, std::size_t end) { total += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 4u * 200u * 10u);
}

TEST_F(Parallel, JobsRunOnceEach) {
  set_threads(3);
  std::vector<std::atomic<int>> calls(100);
  parallel_jobs(calls.size(), [&](std::size_t i) { ++calls[i]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST_F(Parallel, TheFirstExceptionOfAJobIsRethrown) {
  set_threads(2);
  try {
    parallel_jobs(20, [](std::size_t i) {
      if (i % 7 == 3) throw std::runtime_error(std::to_string(i));
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "3");
  }
}

TEST_F(Parallel, RefusesNoThreadsAndTooMany) {
  EXPECT_THROW(set_threads(0), EnvironmentError);
  EXPECT_THROW(set_threads(1025), EnvironmentError);
}

#if defined(__x86_64__)
TEST_F(Parallel, WorkersDoNotInheritFlushedSubnormals) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  std::fesetround(FE_UPWARD);
  set_threads(2);
  set_threads(4);
  _mm_setcsr(before);
  std::fesetround(FE_TONEAREST);
  EXPECT_NO_THROW(parallel_for(4, 1, [](std::size_t, std::size_t) { check_floating_point(); }));
}
#endif

}  // namespace
}  // namespace palinode
