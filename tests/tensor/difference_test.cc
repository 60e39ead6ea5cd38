#include "tensor/difference.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kF64, Dtype::kI32, Dtype::kBf16, Dtype::kF16};

// Any bits, NaNs with a payload included, in the bytes of a mask.
Tensor random_words(Dtype dtype, std::size_t count, std::mt19937_64& random,
                    std::uint64_t mask = ~std::uint64_t{0}) {
  TensorBuilder builder({count}, dtype);
  with_element(dtype, [&]<class T>() {
    for (T& x : builder.values<T>()) {
      const std::uint64_t word = random() & mask;
      std::memcpy(std::as_writable_bytes(std::span(&x, 1)).data(), &word, sizeof(T));
    }
  });
  return std::move(builder).build();
}

bool same_words(const Tensor& a, const Tensor& b) {
  return with_element(a.dtype(), [&]<class T>() {
    const auto x = std::as_bytes(a.values<T>()), y = std::as_bytes(b.values<T>());
    return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size()) == 0);
  });
}

std::string encoded(const Tensor& before, const Tensor& after) {
  PoolVector<char> out;
  DifferenceEncoder encoder;
  const std::size_t bytes = encoder.append(before, after, out);
  EXPECT_EQ(bytes, out.size());
  return {out.begin(), out.end()};
}

TEST(Difference, LeadsFromEachVersionToTheOtherBitForBit) {
  std::mt19937_64 random(1);
  DifferenceDecoder decoder;
  for (const Dtype dtype : kDtypes) {
    for (const std::size_t count : {0U, 1U, 2U, 3U, 17U, 256U, 1000U, 70000U}) {
      for (const std::uint64_t mask : {~std::uint64_t{0}, std::uint64_t{0xff}, std::uint64_t{0}}) {
        const Tensor a = random_words(dtype, count, random);
        const Tensor b = mask == 0 ? a : random_words(dtype, count, random, mask);
        const std::string difference = encoded(a, b);
        EXPECT_LE(difference.size(), a.bytes());
        EXPECT_TRUE(same_words(decoder.apply(difference, a), b));
        EXPECT_TRUE(same_words(decoder.apply(difference, b), a));
      }
    }
  }
}

TEST(Difference, OfEqualValuesTakesHardlyAByte) {
  const Tensor a = Tensor::full<float>({100000}, 0.1F);
  EXPECT_LT(encoded(a, a).size(), 100U);
}

TEST(Difference, OfSmallChangesIsSmallerThanTheValue) {
  std::mt19937_64 random(2);
  std::vector<float> before(4096), after(4096);
  for (std::size_t i = 0; i < before.size(); ++i) {
    before[i] = static_cast<float>(random() % 1000) / 1000.0F - 0.5F;
    after[i] = before[i] + 1e-3F * (static_cast<float>(random() % 1000) / 1000.0F - 0.5F);
  }
  const Tensor a = Tensor::from<float>(before, {4096}), b = Tensor::from<float>(after, {4096});
  EXPECT_LT(encoded(a, b).size(), a.bytes() * 3 / 4);
}

TEST(Difference, ReadsViewsInTheirOrder) {
  std::mt19937_64 random(3);
  const Tensor wide = random_words(Dtype::kI32, 12, random).reshape({3, 4});
  const Tensor a = wide.transpose(), b = Tensor::zeros({4, 3}, Dtype::kI32);
  EXPECT_TRUE(same_words(DifferenceDecoder().apply(encoded(a, b), b), a.compact()));
}

TEST(Difference, RefusesWhatIsNoDifferenceOfTheValue) {
  const Tensor a = Tensor::zeros({1000}, Dtype::kF32), b = Tensor::full<float>({1000}, 1);
  const std::string good = encoded(a, b);
  DifferenceDecoder decoder;
  EXPECT_MESSAGE(decoder.apply(good, Tensor::zeros({999}, Dtype::kF32)), FormatError,
                 "it is not a difference of this many bytes");
  EXPECT_THROW(decoder.apply("", a), FormatError);
  EXPECT_THROW(decoder.apply("no frame", a), FormatError);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(decoder.apply(good.substr(0, size), a), FormatError) << size;
  }
  EXPECT_THROW(decoder.apply(good + good, a), FormatError);
  EXPECT_TRUE(same_words(decoder.apply(good, a), b));  // and goes on after a refusal
}

}  // namespace
}  // namespace palinode
