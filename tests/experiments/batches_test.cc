#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

#include "experiments/data_sets/labelled.h"
#include "experiments/data_sets/windows.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

// n images of 2 x 3 x 2 whose values and class tell their number.
Labelled images(std::size_t n) {
  TensorBuilder x({n, 2, 3, 2}, Dtype::kF32), y({n}, Dtype::kI32);
  for (std::size_t i = 0; i < 12 * n; ++i) x.values<float>()[i] = static_cast<float>(i);
  std::iota(y.values<std::int32_t>().begin(), y.values<std::int32_t>().end(), 0);
  return {std::move(x).build(), std::move(y).build()};
}

std::vector<std::int32_t> numbers(const Tensor& tensor) {
  const std::span<const std::int32_t> values = tensor.values<std::int32_t>();
  return {values.begin(), values.end()};
}

TEST(ImageBatches, KeepTheShapeAndTheLabelsOfTheirImages) {
  Batches batches(images(23), Rng(1), 5);
  for (std::size_t step = 0; step < 20; ++step) {
    const Labelled batch = batches.at(step);
    ASSERT_EQ(batch.x.shape(), (Shape{5, 2, 3, 2}));
    for (std::size_t i = 0; i < 5; ++i) {
      const auto number = static_cast<float>(batch.y.values<std::int32_t>()[i]);
      for (std::size_t k = 0; k < 12; ++k) {
        EXPECT_EQ(batch.x.values<float>()[i * 12 + k], number * 12 + static_cast<float>(k));
      }
    }
  }
}

TEST(ImageBatches, AreThePartsOfThePermutationOfTheirEpoch) {
  const Rng stream = Rng(7).stream("b");
  Batches batches(images(23), stream, 5);
  EXPECT_EQ(batches.per_epoch(), 4U);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    const std::vector<std::uint32_t> order = stream.stream(epoch).permutation(23);
    for (std::size_t part = 0; part < 4; ++part) {
      const std::vector<std::int32_t> got = numbers(batches.at(4 * epoch + part).y);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), order.begin() + 5 * static_cast<long>(part)));
    }
  }
}

TEST(ImageBatches, NeedTheStepAloneToResume) {
  Batches whole(images(23), Rng(3), 5);
  std::vector<std::vector<std::int32_t>> seen;
  for (std::size_t step = 0; step < 13; ++step) seen.push_back(numbers(whole.at(step).y));
  for (std::size_t step = 0; step < 13; ++step) {
    Batches resumed(images(23), Rng(3), 5);
    EXPECT_EQ(numbers(resumed.at(step).y), seen[step]);
    EXPECT_EQ(numbers(whole.at(12 - step).y), seen[12 - step]);
  }
}

TEST(ImageBatches, RefuseSizesThatCannotBeFilled) {
  EXPECT_MESSAGE(Batches(images(3), Rng(1), 4), ShapeError,
                 "batches: expected a size from 1 to the 3 examples, got 4");
  EXPECT_THROW(Batches(images(3), Rng(1), 0), ShapeError);
  EXPECT_EQ(numbers(Batches(images(3), Rng(1), 3).at(5).y).size(), 3U);
}

std::vector<Token> counting(std::size_t n) {
  std::vector<Token> tokens(n);
  std::iota(tokens.begin(), tokens.end(), Token{0});
  return tokens;
}

TEST(LanguageWindows, TargetsAreTheNextTokens) {
  const std::vector<Token> tokens = counting(100);
  const Windows windows(tokens, Rng(1).stream("w"), 4, 7);
  std::set<std::int32_t> begins;
  for (std::size_t step = 0; step < 200; ++step) {
    const Labelled batch = windows.at(step);
    ASSERT_EQ(batch.x.shape(), (Shape{4, 7}));
    ASSERT_EQ(batch.y.shape(), (Shape{28}));
    for (std::size_t i = 0; i < 28; ++i) {
      EXPECT_EQ(batch.y.values<std::int32_t>()[i], batch.x.values<std::int32_t>()[i] + 1);
    }
    for (std::size_t r = 0; r < 4; ++r) {
      const std::int32_t begin = batch.x.values<std::int32_t>()[7 * r];
      EXPECT_EQ(static_cast<std::uint64_t>(begin), Rng(1).stream("w").below(4 * step + r, 100 - 7));
      begins.insert(begin);
    }
  }
  EXPECT_EQ(*begins.begin(), 0);
  EXPECT_EQ(*begins.rbegin(), 92);  // the last target is the last token
  EXPECT_EQ(begins.size(), 93U);
}

TEST(LanguageWindows, CoverEveryTargetOnceInOrder) {
  const std::vector<Token> tokens = counting(53);
  const WindowCover cover(tokens, 3, 5);
  ASSERT_EQ(cover.batches(), 4U);  // ten windows
  std::vector<std::int32_t> targets;
  for (std::size_t index = 0; index < 4; ++index) {
    const Labelled batch = cover.at(index);
    EXPECT_EQ(batch.x.shape(), (Shape{index < 3 ? 3U : 1U, 5}));
    const std::vector<std::int32_t> more = numbers(batch.y);
    targets.insert(targets.end(), more.begin(), more.end());
  }
  std::vector<std::int32_t> expected(50);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(targets, expected);
}

TEST(LanguageWindows, RefuseTextsThatAreTooShort) {
  const std::vector<Token> tokens = counting(8);
  EXPECT_MESSAGE(Windows(tokens, Rng(1), 2, 8), ShapeError,
                 "windows: expected a batch and a context above 0 and more tokens than the "
                 "context, got batch 2, context 8, 8 tokens");
  EXPECT_THROW(WindowCover(tokens, 0, 4), ShapeError);
  EXPECT_THROW(WindowCover(tokens, 1, 0), ShapeError);
  const Labelled only = Windows(tokens, Rng(1), 1, 7).at(3);
  EXPECT_EQ(numbers(only.x), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace palinode::experiments
