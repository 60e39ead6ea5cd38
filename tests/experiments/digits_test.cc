#include "experiments/digits.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <set>
#include <string>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

std::string line(int pixel, int label) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += std::to_string(pixel) + ",";
  return text + std::to_string(label) + "\n";
}

std::string file(std::size_t rows) {
  std::string text;
  for (std::size_t i = 0; i < rows; ++i)
    text += line(static_cast<int>(i % 17), static_cast<int>(i % 10));
  return text;
}

TEST(Digits, AreAllThereWithTheirLabels) {
  const Labelled digits = embedded_digits();
  EXPECT_EQ(digits.x.shape(), (Shape{1797, 64}));
  std::vector<int> count(10);
  for (const std::int32_t y : digits.y.values<std::int32_t>()) ++count[static_cast<std::size_t>(y)];
  for (const int n : count) {
    EXPECT_GE(n, 174);
    EXPECT_LE(n, 183);
  }
}

TEST(Digits, PixelsAreScaledExactly) {
  const Labelled digits = parse_digits(file(1000), "test");
  EXPECT_EQ(digits.x.values<float>()[0], -1.0F);
  EXPECT_EQ(digits.x.values<float>()[64 * 16], 1.0F);
  EXPECT_EQ(digits.x.values<float>()[64 * 5], -0.375F);
}

TEST(Digits, NameFileAndLineOfABadRow) {
  std::string text = file(1000);
  EXPECT_MESSAGE(parse_digits(text + "1,2,3\n", "my.csv"), FormatError,
                 "my.csv line 1001: expected 65 fields, got 3");
  EXPECT_MESSAGE(parse_digits(line(17, 0) + text, "my.csv"), FormatError,
                 "my.csv line 1: expected an integer from 0 to 16, got \"17\"");
  EXPECT_MESSAGE(parse_digits(text + line(1, 10), "my.csv"), FormatError,
                 "my.csv line 1001: expected an integer from 0 to 9, got \"10\"");
  for (const char* bad : {"nan", "1.5", "-1", "1e9", "", " 1", "0x1"}) {
    std::string row = line(1, 1);
    row.replace(0, 1, bad);
    EXPECT_THROW(parse_digits(text + row, "my.csv"), FormatError) << bad;
  }
}

TEST(Digits, RefuseAFileThatIsCutOff) {
  const std::string text = file(1200);
  EXPECT_MESSAGE(parse_digits(text.substr(0, text.size() - 1), "my.csv"), FormatError,
                 "my.csv line 1200: the last line does not end; is the file cut off?");
  EXPECT_MESSAGE(parse_digits(file(10), "my.csv"), FormatError,
                 "my.csv: expected at least 1000 rows, got 10");
  EXPECT_MESSAGE(read_digits("/nonexistent/digits.csv"), FormatError,
                 "cannot read /nonexistent/digits.csv: No such file or directory");
}

TEST(Digits, RefuseADamagedGzipStream) {
  EXPECT_MESSAGE(parse_digits("\x1f\x8bnonsense", "my.csv.gz"), FormatError,
                 "my.csv.gz: the gzip stream is damaged or cut off");
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::vector<Bytef> in(text.begin(), text.end()), out(text.size() + 1000);
  stream.next_in = in.data();
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  const std::string packed(out.begin(),
                           out.begin() + static_cast<std::ptrdiff_t>(stream.total_out));
  deflateEnd(&stream);
  return packed;
}

TEST(Digits, ReadEveryMemberOfAGzipFileAndNothingAfterIt) {
  EXPECT_EQ(parse_digits(gzip(file(600)) + gzip(file(500)), "two.gz").size(), 1100U);
  EXPECT_THROW(parse_digits(gzip(file(1200)) + "tail", "tail.gz"), FormatError);
  std::string many;  // each member fits one chunk; together they are too much
  for (int i = 0; i < 300; ++i) many += gzip(std::string(65000, '\n'));
  EXPECT_THROW(parse_digits(many, "many.gz"), FormatError);
  const std::string whole = gzip(file(1200));
  for (std::size_t n = 2; n < whole.size(); n += 7) {
    EXPECT_THROW(parse_digits(whole.substr(0, n), "cut.gz"), FormatError) << n;
  }
}

TEST(Tasks, HoldNoImageInTwoSplits) {
  const Digits digits = make_tasks(embedded_digits());
  EXPECT_EQ(digits.train.size(), 1198U);
  EXPECT_EQ(digits.held_out.size(), 599U);
  EXPECT_EQ(digits.shifted_train.size(), 599U);
  EXPECT_EQ(digits.shifted_test.size(), 599U);
  EXPECT_EQ(digits.probes.shape(), (Shape{512, 64}));
  std::set<std::string> train;
  const auto key = [](const Tensor& x, std::size_t i) { return hex(xxh3(x.rows(i, i + 1))); };
  for (std::size_t i = 0; i < digits.train.size(); ++i) train.insert(key(digits.train.x, i));
  std::size_t shared = 0;
  for (std::size_t i = 0; i < digits.held_out.size(); ++i)
    shared += train.contains(key(digits.held_out.x, i)) ? 1 : 0;
  EXPECT_EQ(shared, 0U);
}

TEST(Tasks, TheShiftTurnsTheImageAndPermutesTheLabel) {
  const Digits digits = make_tasks(embedded_digits());
  const std::span<const float> before = digits.held_out.x.values<float>();
  const std::span<const float> after = digits.shifted_test.x.values<float>();
  for (std::size_t r = 0; r < 8; ++r) {
    for (std::size_t c = 0; c < 8; ++c) EXPECT_EQ(after[r * 8 + c], before[(7 - c) * 8 + r]);
  }
  EXPECT_EQ(digits.shifted_test.y.values<std::int32_t>()[0],
            (digits.held_out.y.values<std::int32_t>()[0] + 3) % 10);
}

TEST(Batches, VisitEveryRowOnceAnEpochInAnotherOrder) {
  const Digits digits = make_tasks(embedded_digits());
  Batches batches(digits.train, Rng(1).stream("b"), 32);
  const auto epoch = [&](std::size_t number) {
    std::vector<std::string> seen;
    for (std::size_t step = 0; step < 37; ++step) {
      const Labelled batch = batches.at(number * 37 + step);
      for (std::size_t i = 0; i < 32; ++i) seen.push_back(hex(xxh3(batch.x.rows(i, i + 1))));
    }
    return seen;
  };
  const std::vector<std::string> first = epoch(0), second = epoch(1);
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), first.size());
  EXPECT_NE(first, second);
  EXPECT_EQ(epoch(0), first);
}

}  // namespace
}  // namespace palinode::experiments
