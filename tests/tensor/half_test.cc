// Tensors of 16-bit floats: converted, described, digested, committed, and refused by operations.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/change.h"
#include "tensor/ledger.h"
#include "tensor/tensor.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_half.h"

namespace palinode {
namespace {

template <class H>
class HalfTensor : public testing::Test {
 protected:
  static constexpr Dtype kDtype = dtype_of<H>();

  static Tensor of(std::vector<std::uint16_t> bits) {
    std::vector<H> values;
    for (const std::uint16_t one : bits) values.push_back({one});
    return Tensor::from<H>(values, {values.size()});
  }
};

using Types = testing::Types<BFloat16, Float16>;
TYPED_TEST_SUITE(HalfTensor, Types);

TYPED_TEST(HalfTensor, TakesTwoBytesAValue) {
  using H = TypeParam;
  EXPECT_EQ(Tensor::zeros({3}, this->kDtype).bytes(), 6U);
  EXPECT_EQ((Tensor::full<H>({2}, H{0x3c80}).template values<H>()[1].bits), 0x3c80);
}

TYPED_TEST(HalfTensor, ConvertsFromEveryTypeWithOneRounding) {
  using H = TypeParam;
  const auto wide = oracle::random_values<double>(100, 1);
  const Tensor f64 = Tensor::from<double>(wide, {100});
  const Tensor f32 = f64.to(Dtype::kF32);
  const Tensor i32 = Tensor::from<std::int32_t>(std::vector<std::int32_t>{16777217, -257}, {2});
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(f64.to(this->kDtype).template values<H>()[i], oracle::narrow<H>(wide[i]));
    EXPECT_EQ(f32.to(this->kDtype).template values<H>()[i],
              oracle::narrow<H>(f32.values<float>()[i]));
  }
  EXPECT_EQ(i32.to(this->kDtype).template values<H>()[0], oracle::narrow<H>(16777217.0));
  EXPECT_EQ(i32.to(this->kDtype).template values<H>()[1], oracle::narrow<H>(-257.0));
}

TYPED_TEST(HalfTensor, ConvertsToWiderTypesAndBackWithoutLoss) {
  using H = TypeParam;
  const Tensor x = this->of({0x0000, 0x8000, 0x0001, 0x3c80, 0x7b00, H::kInfinity});
  EXPECT_EQ(xxh3(x.to(Dtype::kF32).to(this->kDtype)), xxh3(x));
  EXPECT_EQ(xxh3(x.to(Dtype::kF64).to(this->kDtype)), xxh3(x));
  EXPECT_EQ(x.to(Dtype::kF64).values<double>()[2], oracle::widen(H{1}));
  EXPECT_EQ(this->of({0x3c80}).reshape(Shape{}).item(), oracle::widen(H{0x3c80}));
}

TYPED_TEST(HalfTensor, ConvertsThroughAStridedView) {
  const Tensor x = Tensor::from<float>(std::vector<float>{1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(xxh3(x.to(this->kDtype).transpose().to(Dtype::kF32)), xxh3(x.transpose()));
}

TEST(HalfTensors, ConvertIntoEachOtherWithOneRounding) {
  const Tensor f16 = Tensor::full<Float16>({1}, Float16{0x3c03});  // 1 + 3/1024
  EXPECT_EQ(f16.to(Dtype::kBf16).values<BFloat16>()[0].bits, 0x3f80);
  const Tensor bf16 = Tensor::full<BFloat16>({1}, BFloat16{0x7f7f});
  EXPECT_EQ(bf16.to(Dtype::kF16).values<Float16>()[0].bits, Float16::kInfinity);
}

TEST(HalfTensors, SayWhatTheyAre) {
  EXPECT_EQ(Tensor::zeros({2, 3}, Dtype::kBf16).describe(), "bf16 [2, 3]");
  EXPECT_EQ(Tensor::zeros({4}, Dtype::kF16).describe(), "f16 [4]");
}

TEST(HalfTensors, AreReadAsWhatTheyAre) {
  EXPECT_MESSAGE(Tensor::zeros({4}, Dtype::kF16).values<BFloat16>(), DtypeError,
                 "values: the tensor holds f16, asked for as bf16");
}

TEST(HalfTensors, AreNotComputedWith) {
  const auto body = []<class T>() {};
  EXPECT_MESSAGE(with_float(Dtype::kBf16, "add", body), DtypeError,
                 "add: needs f32 or f64, got bf16; convert it with to()");
  EXPECT_MESSAGE(Tensor::zeros({1}, Dtype::kF16).to(Dtype::kI32), DtypeError,
                 "to: needs f32 or f64, got i32");
}

TYPED_TEST(HalfTensor, HasOneDigestForAllNans) {
  using H = TypeParam;
  const std::uint16_t nan = H::kInfinity + 1;
  const auto negative = static_cast<std::uint16_t>(H::kNan | 0x8000);
  EXPECT_EQ(xxh3(this->of({nan, 1})), xxh3(this->of({H::kNan, 1})));
  EXPECT_EQ(leaf_digest("w", this->of({negative})), leaf_digest("w", this->of({H::kNan})));
  EXPECT_NE(xxh3(this->of({H::kInfinity, 1})), xxh3(this->of({H::kNan, 1})));
  EXPECT_NE(xxh3(this->of({0x8000})), xxh3(this->of({0x0000})));
}

TEST(HalfTensors, HaveTheirTypeInTheLeafDigest) {
  EXPECT_NE(leaf_digest("w", Tensor::zeros({2}, Dtype::kBf16)),
            leaf_digest("w", Tensor::zeros({2}, Dtype::kF16)));
}

TYPED_TEST(HalfTensor, ChangesAreThoseOfItsNumbers) {
  using H = TypeParam;
  for (const std::size_t n : {0U, 1U, 7U, 65U, 1009U, 4097U}) {
    std::vector<H> before, after;
    std::vector<double> wide_before, wide_after;
    for (const double x : oracle::random_values<double>(n, n)) {
      before.push_back(oracle::narrow<H>(x));
      after.push_back(before.size() % 3 == 0 ? before.back() : oracle::narrow<H>(x + 0.25));
      wide_before.push_back(oracle::widen(before.back()));
      wide_after.push_back(oracle::widen(after.back()));
    }
    const auto want = kernels::change<double>(wide_before, wide_after);
    for_each_simd([&] {
      const auto got = kernels::change<H>(before, after);
      EXPECT_EQ(got.elements_changed, want.elements_changed);
      EXPECT_EQ(got.max_abs, want.max_abs);
      EXPECT_EQ(got.l2, want.l2);
    });
  }
}

TYPED_TEST(HalfTensor, IsCommittedFrozenAndCheckedLikeAnyOther) {
  using H = TypeParam;
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const auto write = [&](std::vector<std::uint16_t> bits, bool create) {
    return Proposal{.proposer = "test",
                    .finite_only = true,
                    .writes = {{&theta, "w", this->of(std::move(bits)), create}}};
  };
  ledger.commit(write({1, 2, 3}, true));
  const Sha256Digest before = fingerprint(theta);
  ledger.commit(write({1, 2, 4}, false));
  EXPECT_NE(fingerprint(theta), before);
  EXPECT_EQ(theta.at("w").template values<H>()[2].bits, 4);
  EXPECT_THROW(ledger.commit(write({1, 2, H::kInfinity}, false)), NonFiniteError);
  EXPECT_THROW(ledger.commit(write({1, 2, H::kNan}, false)), NonFiniteError);
  const Sha256Digest after = fingerprint(theta);
  EXPECT_EQ(ledger.freeze(theta), after);
  EXPECT_EQ(theta.at("w").template values<H>()[2].bits, 4);
}

}  // namespace
}  // namespace palinode
