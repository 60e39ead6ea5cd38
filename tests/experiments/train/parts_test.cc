// The parts of a training run that stand alone: text from bytes, moved images, lines of metrics.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "experiments/train/image_task.h"
#include "experiments/train/metrics.h"
#include "experiments/train/position.h"
#include "experiments/train/utf8.h"
#include "tests/experiments/train/temporary_run.h"
#include "tests/support/message.h"

namespace palinode::experiments::train {
namespace {

std::string streamed(const std::string& bytes, std::size_t piece) {
  Utf8Stream stream;
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += piece) text += stream.add(bytes.substr(i, piece));
  return text + stream.finish();
}

TEST(Utf8Stream, PassesTextThroughHoweverItIsCut) {
  const std::string text = "a\u00fc\u20ac\U0001F600z\u0800\uD7FF\uE000\U0010FFFF";
  for (std::size_t piece = 1; piece < 8; ++piece) EXPECT_EQ(streamed(text, piece), text);
}

TEST(Utf8Stream, ReplacesWhatIsNoCharacter) {
  const std::string bad = "\xEF\xBF\xBD";
  for (std::size_t piece = 1; piece < 4; ++piece) {
    EXPECT_EQ(streamed("a\x80z", piece), "a" + bad + "z");
    EXPECT_EQ(streamed("\xFF", piece), bad);
    EXPECT_EQ(streamed("\xC0\xAF", piece), bad + bad);            // overlong
    EXPECT_EQ(streamed("\xED\xA0\x80", piece), bad + bad + bad);  // a surrogate
    EXPECT_EQ(streamed("\xF4\x90\x80\x80", piece), bad + bad + bad + bad);
    EXPECT_EQ(streamed("\xE2\x82", piece), bad + bad);  // cut off at the end
    EXPECT_EQ(streamed("\xE2\x82z", piece), bad + bad + "z");
    EXPECT_EQ(streamed("\xE2\xE2\x82\xAC", piece), bad + "\u20ac");
  }
}

TEST(Utf8Stream, HoldsBackOnlyTheBeginningOfACharacter) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("a\xE2"), "a");
  EXPECT_EQ(stream.add("\x82"), "");
  EXPECT_EQ(stream.add("\xAC"), "\u20ac");
  EXPECT_EQ(stream.finish(), "");
}

// -------------------------------------------------------------------------------------------------

TEST(Shifted, MovesEachImageByItsOwnDraw) {
  const std::size_t n = 40, h = 3, w = 4, c = 2;
  std::vector<float> values(n * h * w * c);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  const Tensor x = Tensor::from<float>(values, {n, h, w, c});
  const Rng stream = Rng(5).stream("shifts");
  const Tensor y = shifted(x, stream, 7, 2);
  const std::span<const float> out = y.values<float>();
  const auto at = [&](std::size_t i, std::ptrdiff_t r, std::ptrdiff_t q, std::size_t k) {
    if (r < 0 || q < 0 || r >= 3 || q >= 4) return 0.0F;
    return values[((i * h + static_cast<std::size_t>(r)) * w + static_cast<std::size_t>(q)) * c +
                  k];
  };
  std::size_t place = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t j = 7 * n + i;
    const auto dy = static_cast<std::ptrdiff_t>(stream.below(2 * j, 5)) - 2;
    const auto dx = static_cast<std::ptrdiff_t>(stream.below(2 * j + 1, 5)) - 2;
    for (std::ptrdiff_t r = 0; r < 3; ++r) {
      for (std::ptrdiff_t q = 0; q < 4; ++q) {
        for (std::size_t k = 0; k < c; ++k) ASSERT_EQ(out[place++], at(i, r - dy, q - dx, k)) << i;
      }
    }
  }
}

// -------------------------------------------------------------------------------------------------

TEST(Evaluations, BitsPerByteCountsTheBytesBehindTheTokens) {
  const Evaluation e{.loss = std::log(8.0), .accuracy = 0.5, .labels = 10, .bytes = 20};
  EXPECT_DOUBLE_EQ(perplexity(e), 8.0);
  EXPECT_DOUBLE_EQ(bits_per_byte(e), 1.5);
  EXPECT_EQ(shown(e), "loss 2.0794  perplexity 8.000  bits/byte 1.5000");
}

TEST(MetricsFile, WritesOneObjectALine) {
  const TemporaryRun folder("metrics_lines");
  std::filesystem::create_directories(folder.path());
  MetricsFile file(folder.metrics(), Unit::kTokens, 0);
  file.append({.step = 1, .loss = 0.1, .lr = 1e-3, .grad_norm = 2, .ms = 1.25, .per_second = 800});
  EXPECT_EQ(bytes_of(folder.metrics()), R"({"step":1,"loss":0.1,"lr":0.001,"grad_norm":2,)"
                                        R"("time":{"ms":1.25,"tokens_per_second":800}})"
                                        "\n");
}

TEST(MetricsFile, KeepsTheStepsOfTheCheckpointOnly) {
  const TemporaryRun folder("metrics_kept");
  std::filesystem::create_directories(folder.path());
  {
    MetricsFile file(folder.metrics(), Unit::kSamples, 0);
    for (std::uint64_t step = 1; step <= 5; ++step) file.append({.step = step});
  }
  { const MetricsFile file(folder.metrics(), Unit::kSamples, 3); }
  EXPECT_EQ(metrics_of(folder).size(), 3U);
  EXPECT_MESSAGE(MetricsFile(folder.metrics(), Unit::kSamples, 4), FormatError,
                 folder.metrics() + " line 4: expected the metrics of step 4");
}

TEST(Positions, SurviveAsNotes) {
  Position position;
  position.step = 7;
  EXPECT_EQ(position_of(notes_of(position), "f").last.loss,
            std::numeric_limits<double>::infinity());
  position.best = {.loss = 0.1 + 0.2, .accuracy = 1.0 / 3, .labels = 5, .bytes = 6};
  position.best_step = 4;
  position.looks_since_best = 2;
  const Position again = position_of(notes_of(position), "f");
  EXPECT_EQ(notes_of(again), notes_of(position));
  EXPECT_EQ(again.best.loss, position.best.loss);
  Notes notes = notes_of(position);
  notes["position"] = "7 4";
  EXPECT_MESSAGE(position_of(notes, "f"), FormatError,
                 "f: the checkpoint's note \"position\" is not a row of numbers: \"7 4\"");
}

}  // namespace
}  // namespace palinode::experiments::train
