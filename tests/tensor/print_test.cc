// The expected texts are those of NumPy 1.24 with np.set_printoptions(precision=4), and the type
// after them.
#include "tensor/print.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/shaping.h"

namespace palinode {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor f64(const std::vector<double>& values, const Shape& shape) {
  return Tensor::from<double>(values, shape);
}

Tensor f32(const std::vector<double>& values, const Shape& shape) {
  return f64(values, shape).to(Dtype::kF32);
}

Tensor i32(const std::vector<std::int32_t>& values, const Shape& shape) {
  return Tensor::from<std::int32_t>(values, shape);
}

Tensor counting(const Shape& shape) {
  return arange(static_cast<std::int32_t>(shape.elements())).reshape(shape);
}

struct Case {
  Tensor tensor;
  const char* text;
};

void expect_texts(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(to_string(c.tensor), c.text);
}

TEST(Print, AlignsNumbersAtThePoint) {
  expect_texts({
      {f32({1.0, 2.0, 3.0}, {3}), "[1. 2. 3.]"},
      {f32({0.1, -2.5, 3.14159274}, {3}), "[ 0.1    -2.5     3.1416]"},
      {f32({1.0, -2.5, 0.125, 3.14159274, kNan, 0.0}, {2, 3}),
       "[[ 1.     -2.5     0.125 ]\n"
       " [ 3.1416     nan  0.    ]]"},
      {f32({kNan, kInf}, {2}), "[nan inf]"},
      {f32({kNan, kInf, -kInf}, {3}), "[ nan  inf -inf]"},
      {f32({-kInf}, {1}), "[-inf]"},
      {f32({-0.0, 0.0, 1.0}, {3}), "[-0.  0.  1.]"},
      {f32({1e-08, 1.0, 100.0, -3.0}, {4}), "[ 1.e-08  1.e+00  1.e+02 -3.e+00]"},
      {f32({1e10, 2.5e10, -1.23456789e10}, {3}), "[ 1.0000e+10  2.5000e+10 -1.2346e+10]"},
      {f32({100000000.0, 10000000.0}, {2}), "[1.e+08 1.e+07]"},
      {f32({99999999.0, 12345678.0}, {2}), "[1.0000e+08 1.2346e+07]"},
      {f32({1000.0, 1.0, 0.5}, {3}), "[1.e+03 1.e+00 5.e-01]"},
      {f32({1000.0, 1.0}, {2}), "[1000.    1.]"},
      {f32({0.00011, 0.05}, {2}), "[0.0001 0.05  ]"},
      {f32({5e-05, 0.0, 0.01}, {3}), "[5.e-05 0.e+00 1.e-02]"},
      {f32({}, {0}), "[]"},
      {f32({}, {2, 0, 3}), "[]"},
      {f32({2.5}, {1, 1, 1, 1}), "[[[[2.5]]]]"},
      {f32({0.5, 1.0, -1.0, 2.0}, {2, 1, 2}),
       "[[[ 0.5  1. ]]\n"
       "\n"
       " [[-1.   2. ]]]"},
  });
}

TEST(Print, RoundsToFourDigitsAtMost) {
  expect_texts({
      {f64({1e-300, 1.0, 1e+300}, {3}), "[1.e-300 1.e+000 1.e+300] f64"},
      {f64({1e-10, 1.5e-10}, {2}), "[1.0e-10 1.5e-10] f64"},
      {f64({0.99999, 0.5, 9.999e-05}, {3}), "[9.9999e-01 5.0000e-01 9.9990e-05] f64"},
      {f64({0.99999, 9.99996}, {2}), "[ 1. 10.] f64"},
      {f64({999999.0, 9999990000.0}, {2}), "[1.e+06 1.e+10] f64"},
      {f64({0.00015, 0.12345, 0.12355, 0.1}, {4}), "[0.0001 0.1235 0.1235 0.1   ] f64"},
      {f64({5e-324, kNan, kInf}, {3}), "[5.e-324     nan     inf] f64"},
      {f64({0.0001, 0.1, -kInf}, {3}), "[0.0001 0.1      -inf] f64"},
      {f64({1.7976931348623157e+308, -1.0}, {2}), "[ 1.7977e+308 -1.0000e+000] f64"},
  });
}

TEST(Print, AlignsIntegersAtTheRight) {
  expect_texts({
      {i32({1, -20, 300, 0}, {4}), "[  1 -20 300   0] i32"},
      {i32({-2147483647 - 1, 2147483647, 0, 7}, {2, 2}),
       "[[-2147483648  2147483647]\n"
       " [          0           7]] i32"},
      {i32({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2}),
       "[[[1 2]\n"
       "  [3 4]]\n"
       "\n"
       " [[5 6]\n"
       "  [7 8]]] i32"},
  });
}

TEST(Print, WrapsLinesAt75Characters) {
  expect_texts({
      {f32({0.0, 0.5, 1.0, 1.5, 2.0, 2.5,  3.0,  3.5,  4.0,  4.5,  5.0,  5.5,  6.0,  6.5,  7.0,
            7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 12.0, 12.5, 13.0, 13.5, 14.0, 14.5},
           {30}),
       "[ 0.   0.5  1.   1.5  2.   2.5  3.   3.5  4.   4.5  5.   5.5  6.   6.5\n"
       "  7.   7.5  8.   8.5  9.   9.5 10.  10.5 11.  11.5 12.  12.5 13.  13.5\n"
       " 14.  14.5]"},
      {f32({0.0,   17.75, 16.5, 16.0,  14.75, 13.5, 13.0, 11.75, 10.5,  10.0, 8.75,
            7.5,   7.0,   5.75, 4.5,   4.0,   2.75, 1.5,  1.0,   -0.25, 17.5, 17.0,
            15.75, 14.5,  14.0, 12.75, 11.5,  11.0, 9.75, 8.5,   8.0,   6.75, 5.5,
            5.0,   3.75,  2.5,  2.0,   0.75,  -0.5, 18.0, 16.75, 15.5,  15.0, 13.75},
           {2, 22}),
       "[[ 0.   17.75 16.5  16.   14.75 13.5  13.   11.75 10.5  10.    8.75  7.5\n"
       "   7.    5.75  4.5   4.    2.75  1.5   1.   -0.25 17.5  17.  ]\n"
       " [15.75 14.5  14.   12.75 11.5  11.    9.75  8.5   8.    6.75  5.5   5.\n"
       "   3.75  2.5   2.    0.75 -0.5  18.   16.75 15.5  15.   13.75]]"},
      {i32({0,   919, 838, 757, 676, 595, 514, 433, 352, 271, 190, 109, 28,
            947, 866, 785, 704, 623, 542, 461, 380, 299, 218, 137, 56,  975},
           {26}),
       "[  0 919 838 757 676 595 514 433 352 271 190 109  28 947 866 785 704 623\n"
       " 542 461 380 299 218 137  56 975] i32"},
  });
}

TEST(Print, ElidesLongAxesBeyondAThousandElements) {
  EXPECT_EQ(to_string(counting({1001})), "[   0    1    2 ...  998  999 1000] i32");
  EXPECT_EQ(to_string(counting({1000})).find("..."), std::string::npos);
  EXPECT_EQ(to_string(counting({2, 600})),
            "[[   0    1    2 ...  597  598  599]\n [ 600  601  602 ... 1197 1198 1199]] i32");
  EXPECT_EQ(to_string(counting({600, 2})),
            "[[   0    1]\n [   2    3]\n [   4    5]\n ...\n [1194 1195]\n [1196 1197]\n"
            " [1198 1199]] i32");
  EXPECT_EQ(to_string(counting({7, 1, 200})),
            "[[[   0    1    2 ...  197  198  199]]\n\n [[ 200  201  202 ...  397  398  399]]\n\n"
            " [[ 400  401  402 ...  597  598  599]]\n\n ...\n\n"
            " [[ 800  801  802 ...  997  998  999]]\n\n [[1000 1001 1002 ... 1197 1198 1199]]\n\n"
            " [[1200 1201 1202 ... 1397 1398 1399]]] i32");
}

TEST(Print, ChoosesTheFormFromTheElementsThatAreShown) {
  const Tensor quarters = f64({0.25}, {1}).broadcast_to({2000});
  EXPECT_EQ(to_string(concat({quarters, f64({1e9}, {1}), quarters})),
            "[0.25 0.25 0.25 ... 0.25 0.25 0.25] f64");
}

TEST(Print, FollowsTheOptions) {
  const PrintOptions narrow = {.precision = 2, .threshold = 5, .edge = 1, .width = 20};
  std::vector<float> sevenths;
  for (int i = 0; i < 12; ++i) sevenths.push_back(static_cast<float>(i) / 7);
  EXPECT_EQ(to_string(Tensor::from<float>(sevenths, {3, 4}), narrow),
            "[[0.   ... 0.43]\n ...\n [1.14 ... 1.57]]");
  EXPECT_EQ(to_string(arange(0, 5000000, 1000000), narrow),
            "[      0 1000000\n 2000000 3000000\n 4000000] i32");
  EXPECT_EQ(to_string(f32({0.5, 1.5, 2.5, 10}, {4}), {.precision = 0}), "[ 0.  2.  2. 10.]");
  EXPECT_EQ(to_string(f32({0.1, 1.0 / 3}, {2}), {.precision = 10}), "[0.1        0.33333334]");
  EXPECT_EQ(to_string(f64({0.1, 1.0 / 3}, {2}), {.precision = 10}),
            "[0.1          0.3333333333] f64");
  EXPECT_EQ(to_string(f32({1, 2}, {2}), {.width = 0}), "[1.\n 2.]");
  EXPECT_EQ(to_string(counting({3}), {.threshold = 0, .edge = 0}), "[0 ... 2] i32");
}

TEST(Print, DiffersFromNumPyOnPurpose) {
  EXPECT_EQ(to_string(f32({3.14159274}, {})), "3.1416");            // 3.1415927
  EXPECT_EQ(to_string(f32({1e-4, 0.05}, {2})), "[0.0001 0.05  ]");  // exponents before NumPy 2
  EXPECT_EQ(to_string(f32({0.1, 1}, {2}).to(Dtype::kBf16)), "[0.1001 1.    ] bf16");
  EXPECT_EQ(to_string(f32({0.1, 1}, {2}).to(Dtype::kF16)), "[0.1 1. ] f16");
}

TEST(Print, ReadsThroughViews) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(to_string(x.transpose()), "[[0 3]\n [1 4]\n [2 5]] i32");
  EXPECT_EQ(to_string(x.slice(1, 0, 3, 2)), "[[0 2]\n [3 5]] i32");
  EXPECT_EQ(to_string(f32({1}, {1}).broadcast_to({2, 2})), "[[1. 1.]\n [1. 1.]]");
}

TEST(Print, GoesToAStream) {
  std::ostringstream out;
  out << f32({1, 2}, {2});
  EXPECT_EQ(out.str(), "[1. 2.]");
}

}  // namespace
}  // namespace palinode
