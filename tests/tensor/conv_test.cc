#include "tensor/kernels/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <span>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_conv.h"

namespace palinode::kernels {

std::ostream& operator<<(std::ostream& out, const ConvAxis& a) {
  return out << a.in << " / kernel " << a.kernel << " stride " << a.stride << " padding "
             << a.padding << " dilation " << a.dilation;
}

namespace {

using Sizes = std::initializer_list<std::size_t>;

enum class Data { kRandom, kHostile, kWithNan };

template <class T>
std::vector<T> make(Data data, std::size_t n, std::uint64_t seed) {
  if (data == Data::kRandom) return oracle::random_values<T>(n, seed);
  return oracle::hostile_values<T>(n, seed, data == Data::kWithNan);
}

// Inputs of a convolution and its gradients. One unused value stands before each, so that none is
// aligned.
template <class T>
struct Problem {
  Problem(const ConvShape& shape, Data data) : s(shape) {
    x_data = make<T>(data, 1 + s.n * s.h.in * s.w.in * s.c_in, 1);
    weight_data = make<T>(data, 1 + s.depth() * s.c_out, 2);
    dy_data = make<T>(data, 1 + s.rows() * s.c_out, 3);
    bias_data = make<T>(data, 1 + s.c_out, 4);
  }
  static std::span<const T> values(const std::vector<T>& data) {
    return std::span<const T>(data).subspan(1);
  }
  std::span<const T> x() const { return values(x_data); }
  std::span<const T> weight() const { return values(weight_data); }
  std::span<const T> dy() const { return values(dy_data); }
  std::span<const T> bias() const { return values(bias_data); }

  ConvShape s;
  std::vector<T> x_data, weight_data, dy_data, bias_data;
};

// All that the kernels compute for one problem, each result behind a value of its own.
template <class T>
struct Results {
  explicit Results(const Problem<T>& q)
      : y(q.dy().size() + 1, T{7}),
        dweight(q.weight().size() + 1, T{7}),
        dx(q.x_data.size(), T{7}) {}

  std::vector<T> y, dweight, dx;
};

template <class T>
Results<T> got(const Problem<T>& q) {
  Results<T> out(q);
  conv2d<T>(q.s, q.x(), q.weight(), q.bias(), std::span<T>(out.y).subspan(1));
  conv2d_weight_grad<T>(q.s, q.x(), q.dy(), std::span<T>(out.dweight).subspan(1));
  conv2d_input_grad<T>(q.s, q.dy(), q.weight(), std::span<T>(out.dx).subspan(1));
  return out;
}

template <class T>
Results<T> want(const Problem<T>& q) {
  const oracle::Conv<T> conv{q.s, q.x(), q.weight(), q.bias(), q.dy()};
  Results<T> out(q);
  std::ranges::copy(conv.y(), out.y.begin() + 1);
  std::ranges::copy(conv.dweight(), out.dweight.begin() + 1);
  std::ranges::copy(conv.dx(), out.dx.begin() + 1);
  return out;
}

template <class T>
void expect_same(const Results<T>& a, const Results<T>& b) {
  EXPECT_SAME_BITS(a.y, b.y);
  EXPECT_SAME_BITS(a.dweight, b.dweight);
  EXPECT_SAME_BITS(a.dx, b.dx);
}

template <class T>
class Conv : public testing::Test {
 protected:
  // The kernels on every SIMD target against the oracle.
  static void check(const ConvShape& s, Data data) {
    SCOPED_TRACE(testing::Message() << s.n << " images, " << s.c_in << " -> " << s.c_out
                                    << " channels, " << s.h << " x " << s.w);
    const Problem<T> q(s, data);
    const Results<T> right = want(q);
    for_each_simd([&] { expect_same(got(q), right); });
  }

  static void check_all(const ConvShape& s) {
    for (const Data data : {Data::kRandom, Data::kHostile, Data::kWithNan}) check(s, data);
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Conv, Types);

TYPED_TEST(Conv, EveryStrideDilationAndPaddingIsAsSpecified) {
  for (const std::size_t kernel : Sizes{1, 2, 3}) {
    for (const std::size_t stride : Sizes{1, 2, 3}) {
      for (const std::size_t dilation : Sizes{1, 2}) {
        for (const std::size_t padding : Sizes{0, 1, 2, 5}) {
          const ConvAxis h = {7, kernel, stride, padding, dilation};
          const ConvAxis w = {6, 4 - kernel, 4 - stride, 2, 1};
          const Data data = padding % 2 == 0 ? Data::kRandom : Data::kHostile;
          this->check({2, 3, 5, h, w}, data);
          this->check({1, 5, 3, w, h}, data);
        }
      }
    }
  }
}

TYPED_TEST(Conv, HostileDataPass) {
  this->check_all({2, 5, 19, {9, 3, 1, 1, 1}, {11, 3, 1, 1, 1}});
  this->check_all({2, 17, 4, {8, 3, 2, 1, 1}, {9, 2, 1, 0, 3}});
  this->check_all({3, 3, 3, {5, 1, 1, 0, 1}, {4, 1, 1, 0, 1}});
}

TYPED_TEST(Conv, EveryNumberOfChannelsIsAsSpecified) {
  for (const std::size_t c : Sizes{1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 33, 65}) {
    this->check({1, c, 3, {3, 2, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kHostile);
    this->check({1, 3, c, {3, 2, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kHostile);
  }
}

TYPED_TEST(Conv, ChainsAreCutInto256Steps) {
  // Forward over 3 * 3 * 57 = 513 factors, input gradient over 257 channels.
  this->check({1, 57, 5, {4, 3, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kHostile);
  this->check({1, 2, 257, {4, 3, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kHostile);
  // Weight gradients over 255, 256, 257 and 513 positions.
  for (const std::size_t rows : Sizes{51, 64, 257, 171}) {
    const std::size_t n = rows == 51 ? 5 : rows == 64 ? 4 : rows == 171 ? 3 : 1;
    this->check({n, 2, 3, {1, 1, 1, 0, 1}, {rows, 3, 1, 1, 1}}, Data::kHostile);
  }
}

TYPED_TEST(Conv, WorkThatIsDoneInPartsHasTheSameBits) {
  // Factors of more positions than are held at once: 2^17 values forward, 2^18 for the weights.
  this->check({2, 32, 3, {24, 3, 1, 1, 1}, {23, 3, 1, 1, 1}}, Data::kRandom);
  // Positions of more than 2^17 values each, and a kernel of the input's size.
  this->check({2, 210, 2, {25, 25, 1, 0, 1}, {25, 25, 1, 0, 1}}, Data::kRandom);
  // A row of outputs with more than 2^17 products.
  this->check({1, 129, 2, {3, 2, 1, 0, 1}, {350, 3, 1, 1, 1}}, Data::kRandom);
  // A weight gradient of more than 2^17 values.
  this->check({1, 11, 1500, {7, 3, 1, 0, 1}, {8, 3, 1, 1, 1}}, Data::kRandom);
}

TYPED_TEST(Conv, AKernelThatOnlyPaddingMakesRoomForIsAsSpecified) {
  this->check_all({2, 3, 4, {2, 5, 1, 2, 1}, {3, 7, 1, 2, 1}});
  this->check_all({1, 3, 4, {2, 2, 1, 4, 3}, {1, 1, 2, 3, 1}});  // some outputs see zeros alone
}

TYPED_TEST(Conv, EmptyExtentsGiveEmptyOrZeroResults) {
  this->check({0, 3, 4, {5, 3, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kRandom);
  this->check({0, 3, 4, {5, 1, 1, 0, 1}, {5, 1, 1, 0, 1}}, Data::kRandom);
  this->check({2, 0, 4, {5, 3, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kRandom);
  this->check({2, 3, 0, {5, 3, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kRandom);
  this->check({2, 3, 0, {5, 1, 1, 0, 1}, {5, 1, 1, 0, 1}}, Data::kRandom);
  this->check({2, 3, 4, {0, 2, 1, 1, 1}, {5, 3, 1, 1, 1}}, Data::kRandom);
}

TYPED_TEST(Conv, NoBiasIsNotABiasOfZero) {
  using T = TypeParam;
  // A chain that ends in -0: the tiny product is rounded away, and keeps its sign.
  const T tiny = std::numeric_limits<T>::denorm_min();
  const std::vector<T> x = {tiny}, weight = {T{-0.25}}, zero = {T{0}};
  const ConvShape s = {1, 1, 1, {1, 1, 1, 0, 1}, {1, 1, 1, 0, 1}};
  std::vector<T> y(1);
  conv2d<T>(s, x, weight, {}, y);
  EXPECT_TRUE(std::signbit(y[0]));
  conv2d<T>(s, x, weight, zero, y);
  EXPECT_FALSE(std::signbit(y[0]));
  // The input gradient's sum starts from +0, whatever the size of the kernel.
  conv2d_input_grad<T>(s, x, weight, y);
  EXPECT_FALSE(std::signbit(y[0]));
}

TYPED_TEST(Conv, AnActivationInTheStoreHasTheBitsOfOneAfterwards) {
  using T = TypeParam;
  for (const std::size_t kernel : Sizes{1, 3}) {
    const ConvAxis axis = {9, kernel, 1, kernel / 2, 1};
    const Problem<T> q({2, 3, 21, axis, axis}, Data::kRandom);
    for_each_simd([&] {
      std::vector<T> plain(q.dy().size()), after(plain.size()), fused(plain.size());
      conv2d<T>(q.s, q.x(), q.weight(), q.bias(), plain);
      relu<T>(plain, after);
      conv2d<T>(q.s, q.x(), q.weight(), q.bias(), fused, Activation::kRelu);
      EXPECT_SAME_BITS(fused, after);
      tanh(plain, after);
      conv2d<T>(q.s, q.x(), q.weight(), q.bias(), fused, Activation::kTanh);
      EXPECT_SAME_BITS(fused, after);
    });
  }
}

TYPED_TEST(Conv, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  for (const ConvShape& s : {ConvShape{5, 24, 40, {31, 3, 2, 1, 1}, {29, 3, 1, 1, 1}},
                             ConvShape{1, 24, 40, {31, 3, 1, 1, 2}, {29, 3, 1, 1, 1}},
                             ConvShape{3, 24, 40, {31, 1, 1, 0, 1}, {29, 1, 1, 0, 1}}}) {
    const Problem<T> q(s, Data::kRandom);
    set_threads(1);
    const Results<T> one = got(q);
    for (const std::size_t used : Sizes{2, 3, 7}) {
      set_threads(used);
      expect_same(got(q), one);
    }
  }
  set_threads(before);
}

TYPED_TEST(Conv, AnImageDoesNotDependOnTheBatch) {
  using T = TypeParam;
  const Problem<T> q({4, 5, 6, {9, 3, 1, 1, 1}, {10, 3, 2, 1, 1}}, Data::kHostile);
  Problem<T> last = q;
  last.s.n = 1;
  last.x_data.erase(last.x_data.begin(), last.x_data.begin() + 3 * 9 * 10 * 5);
  last.dy_data.erase(last.dy_data.begin(), last.dy_data.begin() + 3 * 9 * 5 * 6);
  const Results<T> all = got(q), one = got(last);
  EXPECT_SAME_BITS(std::span<const T>(one.y).subspan(1), std::span<const T>(all.y).last(9 * 5 * 6));
  EXPECT_SAME_BITS(std::span<const T>(one.dx).subspan(1),
                   std::span<const T>(all.dx).last(9 * 10 * 5));
}

// The convolution is linear in x and in the weight, so a difference over any distance is exact but
// for rounding.
TEST(ConvGradient, IsTheFunctionsSlope) {
  for (const ConvShape& s : {ConvShape{2, 3, 4, {6, 3, 2, 1, 1}, {7, 2, 1, 0, 3}},
                             ConvShape{2, 3, 4, {3, 1, 1, 0, 1}, {2, 1, 1, 0, 1}},
                             ConvShape{1, 2, 3, {4, 5, 1, 3, 1}, {5, 3, 3, 2, 2}}}) {
    Problem<double> q(s, Data::kRandom);
    const Results<double> gradients = got(q);
    // The sum of dy * y.
    const auto value = [&] {
      std::vector<double> y(q.dy().size());
      conv2d<double>(s, q.x(), q.weight(), q.bias(), y);
      double total = 0;
      for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * q.dy()[i];
      return total;
    };
    const auto expect_slopes = [&](std::vector<double>& values, const std::vector<double>& slopes) {
      for (std::size_t i = 1; i < values.size(); ++i) {
        const double kept = values[i];
        values[i] = kept + 0.5;
        const double above = value();
        values[i] = kept - 0.5;
        EXPECT_NEAR(slopes[i], above - value(), 1e-11) << "element " << i - 1;
        values[i] = kept;
      }
    };
    expect_slopes(q.x_data, gradients.dx);
    expect_slopes(q.weight_data, gradients.dweight);
  }
}

TEST(ConvAxis, CountsThePlacesWhereTheKernelFits) {
  for (const std::size_t in : Sizes{0, 1, 2, 5, 8, 28}) {
    for (const std::size_t kernel : Sizes{1, 2, 3, 7}) {
      for (const std::size_t stride : Sizes{1, 2, 3, 9}) {
        for (const std::size_t padding : Sizes{0, 1, 2, 9}) {
          for (const std::size_t dilation : Sizes{1, 2, 4}) {
            const ConvAxis axis = {in, kernel, stride, padding, dilation};
            const std::size_t fits = oracle::outputs(axis);
            if (fits == 0) {
              EXPECT_THROW(axis.out(), ShapeError) << axis;
            } else {
              EXPECT_EQ(axis.out(), fits) << axis;
            }
          }
        }
      }
    }
  }
}

TEST(ConvAxis, SaysWhatDoesNotFit) {
  EXPECT_MESSAGE(
      (ConvAxis{4, 3, 1, 0, 2}.out()), ShapeError,
      "conv2d: kernel 3 with dilation 2 reaches over 5 places, but x has 4 and padding 0 "
      "on both sides");
  for (const ConvAxis& axis : {ConvAxis{4, 0, 1, 0, 1}, ConvAxis{4, 1, 0, 0, 1},
                               ConvAxis{4, 1, 1, 0, 0}, ConvAxis{4, 1, 1, 1UL << 31, 1}}) {
    EXPECT_THROW(axis.out(), ShapeError) << axis;
  }
}

TEST(ConvDeathTest, SizesThatDifferAreABrokenInvariant) {
  const ConvShape s = {1, 1, 1, {3, 2, 1, 0, 1}, {3, 2, 1, 0, 1}};
  const std::vector<float> x(9), weight(4);
  std::vector<float> y(5);
  EXPECT_DEATH(conv2d<float>(s, x, weight, {}, y), "broken invariant");
}

}  // namespace
}  // namespace palinode::kernels
