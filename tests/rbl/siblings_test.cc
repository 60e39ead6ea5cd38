// R15: theta from models merged from it, and the decomposition behind it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rbl/svd.h"
#include "tensor/error.h"
#include "tests/rbl/pilot.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, const Rng& rng) {
  Matrix m{rows, cols, std::vector<double>(rows * cols)};
  for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] = rng.normal(i);
  return m;
}

double distance(const Matrix& a, const Matrix& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    squares += (a.values[i] - b.values[i]) * (a.values[i] - b.values[i]);
  }
  return std::sqrt(squares);
}

TEST(LowRankPart, OfFullRankIsTheMatrix) {
  for (const auto& [rows, cols] : {std::pair{7, 7}, {12, 5}, {5, 12}, {1, 9}, {48, 16}}) {
    const Matrix m = random_matrix(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols),
                                   Rng(1).stream("m"));
    const LowRankPart all = low_rank_part(m, 100);
    EXPECT_LT(distance(all.matrix, m), 1e-13 * std::sqrt(rows * cols));
    EXPECT_EQ(all.singular.size(), static_cast<std::size_t>(std::min(rows, cols)));
  }
}

TEST(LowRankPart, LeavesAsMuchAsTheSingularValuesItDrops) {
  const Matrix m = random_matrix(12, 8, Rng(2).stream("m"));
  for (std::size_t rank = 0; rank <= 8; ++rank) {
    const LowRankPart part = low_rank_part(m, rank);
    double dropped = 0;
    for (std::size_t i = rank; i < 8; ++i) dropped += part.singular[i] * part.singular[i];
    EXPECT_NEAR(distance(part.matrix, m), std::sqrt(dropped), 1e-12) << rank;
  }
}

TEST(LowRankPart, KnowsTheSingularValuesOfADiagonal) {
  Matrix m{3, 3, std::vector<double>(9)};
  m.at(0, 0) = 2;
  m.at(1, 1) = -5;
  m.at(2, 2) = 0;
  const LowRankPart part = low_rank_part(m, 1);
  EXPECT_EQ(part.singular, (std::vector<double>{5, 2, 0}));
  EXPECT_EQ(part.matrix.at(1, 1), -5);
  EXPECT_EQ(part.matrix.at(0, 0), 0);
}

struct SiblingsTest : testing::Test, Pilot {
  // The identity with a low-rank delta of its own merged into every matrix.
  const Store& sibling(std::size_t number, std::size_t rank) {
    const Store& theta = fork(original);
    LowRankDelta delta;
    const Rng draw = rng.stream("sibling").stream(number);
    for (const Entry& entry : original.entries()) {
      if (entry.value.shape().rank() != 2) continue;
      const Shape& w = entry.value.shape();
      const Rng own = draw.stream(entry.name);
      delta.push_back({entry.name, own.stream("a").normal({w[0], rank}, Dtype::kF32),
                       own.stream("b").normal({rank, w[1]}, Dtype::kF32), 0.05});
    }
    ledger.commit(add_low_rank(theta, delta, {}));
    return theta;
  }
  Outcome recover(std::size_t count, std::size_t rank) {
    std::vector<const Store*> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(&sibling(i, rank));
    const Adapted adapted{*all[0], *all[0], divergence(*all[0])};
    const std::vector<const Store*> others(all.begin() + 1, all.end());
    return undo(adapted, recover_from_siblings(others, {.rank = rank, .iterations = 100}));
  }
};

// The table of docs/rollback.md.
TEST_F(SiblingsTest, EnoughOfThemGiveThetaWithoutASnapshot) {
  std::map<std::size_t, Outcome> of;
  for (const std::size_t count : std::initializer_list<std::size_t>{1, 2, 3, 5}) {
    of[count] = recover(count, 2);
    fmt::print("R15 {} models of rank 2: RF {:.6f}, distance {:.2e}\n", count, of[count].rf,
               of[count].distance);
  }
  EXPECT_EQ(of[1].rf, 0.0);  // alone, the rank-r part of nothing
  EXPECT_GT(of[5].rf, 0.999);
  EXPECT_GT(of[5].rf, of[2].rf);
  EXPECT_LT(of[5].distance, of[2].distance / 10);
  EXPECT_EQ(of[5].price.bytes_kept, 4 * original.bytes());
  EXPECT_GT(of[5].words, 0U);
}

TEST_F(SiblingsTest, ModelsThatDifferBeyondTheirMatricesAreRefused) {
  const Store& a = sibling(0, 1);
  const Store& b = sibling(1, 1);
  const Tensor bias = Tensor::full<float>({48}, 3);
  ledger.commit({.proposer = "test", .writes = {{&b, "layer.0.bias", bias}}});
  EXPECT_MESSAGE(undo({a, a, 1}, recover_from_siblings({&b}, {.rank = 1, .iterations = 1})), Error,
                 "R15: parameter 1 f32 [48] is no matrix and differs between siblings");
}

}  // namespace
}  // namespace palinode::rbl
