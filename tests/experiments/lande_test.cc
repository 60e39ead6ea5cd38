#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "experiments/embedded.h"
#include "experiments/lande/detector.h"
#include "experiments/lande/normalize.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::json;

TEST(LandeNormalization, KeepsLettersMarksAndSingleSpaces) {
  EXPECT_EQ(lande_normalized("Well-known: 3 words,\n\nno more!"), u" well known words no more ");
  EXPECT_EQ(lande_normalized(""), u"  ");
  EXPECT_EQ(lande_normalized(" -- 1812 -- "), u"  ");
  EXPECT_EQ(lande_normalized("a\xC2\xA0"
                             "b c\xE2\x80\x83 d"),
            u" a\u00A0b c d ");
  EXPECT_EQ(lande_normalized("a 1 b"), u" a b ");
  EXPECT_EQ(lande_normalized("re\xCC\x81sume\xCC\x81 \xF0\x9F\x98\x80"), u" re\u0301sume\u0301 ");
}

TEST(LandeNormalization, LowersAsJavaScriptDoes) {
  EXPECT_EQ(lande_normalized("\xC3\x84\xC3\x9F\xC5\xBD\xD0\x96"), u" \u00E4\u00DF\u017E\u0436 ");
  EXPECT_EQ(lande_normalized("\xC4\xB0I"), u" i\u0307i ");
  EXPECT_EQ(lande_normalized("\xCE\xA3\xCE\x9F\xCE\xA3 \xCE\xA3"), u" \u03C3\u03BF\u03C2 \u03C3 ");
  EXPECT_EQ(lande_normalized("\xF0\x90\x90\x80"), u" \U00010428 ");  // two units each
}

TEST(LandeNormalization, DropsBytesThatAreNotUtf8) {
  EXPECT_EQ(lande_normalized("a\xFF\xC3(b\xE2\x82"
                             "c\xED\xA0\x80\xC0\xAF"
                             "d\xF0\x9F"),
            u" abcd ");
}

Json answers() {
  std::ifstream file(PALINODE_ROOT "/tests/golden/lande.json");
  return Json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
}

std::vector<std::string> texts_of(const Json& answers) {
  std::vector<std::string> texts;
  for (const Json& answer : answers) texts.push_back(answer["text"]);
  return texts;
}

// Compares a row of probabilities with the original's five likeliest languages.
void expect_answer(const LanguageDetector& detector, std::span<const float> row,
                   const Json& expected, double tolerance) {
  const std::span<const std::string> languages = detector.languages();
  const auto top = static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
  EXPECT_EQ(languages[top], expected["top"][0][0]) << expected["text"];
  double rest = 0;
  for (const Json& entry : expected["top"]) {
    const auto place = std::ranges::find(languages, entry[0].get<std::string>());
    const float p = row[static_cast<std::size_t>(place - languages.begin())];
    EXPECT_NEAR(p, entry[1].get<double>(), tolerance) << expected["text"] << " " << entry[0];
    rest += p - entry[1].get<double>();
  }
  EXPECT_NEAR(rest, 0, 5 * tolerance) << expected["text"];
}

// A dense layer as the original computes it: summed in f64 in the order of the inputs, the bias
// last, then rounded to f32.
std::vector<float> dense(const SafetensorsFile& file, const std::string& layer,
                         std::span<const float> x) {
  const std::span<const float> w = file.at(layer + ".weight").values<float>();
  const std::span<const float> b = file.at(layer + ".bias").values<float>();
  std::vector<float> y;
  for (std::size_t i = 0; i < b.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      sum += static_cast<double>(x[j]) * static_cast<double>(w[i * x.size() + j]);
    }
    y.push_back(static_cast<float>(sum + static_cast<double>(b[i])));
  }
  return y;
}

std::vector<float> original_softmax(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  std::vector<double> e;
  double sum = 0;
  for (const float logit : logits) sum += e.emplace_back(std::exp(logit - largest));
  std::vector<float> p;
  for (const double value : e) p.push_back(static_cast<float>(value / sum));
  return p;
}

// In the original's own arithmetic nothing is left but a last bit: features and weights are its.
TEST(LanguageDetector, HasTheFeaturesAndWeightsOfTheOriginal) {
  Ledger ledger;
  const SafetensorsFile file = lande_file();
  const LanguageDetector detector(ledger, file);
  const Json expected = answers();
  const Tensor features = detector.features(texts_of(expected));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<float> hidden =
        dense(file, "layer.0", features.values<float>().subspan(620 * i, 620));
    for (float& h : hidden) h = std::max(h, 0.0F);
    const std::vector<float> p = original_softmax(dense(file, "layer.1", hidden));
    expect_answer(detector, p, expected[i], 1e-7);
  }
}

// In the framework's arithmetic: outputs reach 1,000, where neighbours in f32 are 6e-5 apart.
TEST(LanguageDetector, AnswersAsTheOriginalOnTwoHundredSentences) {
  Ledger ledger;
  const LanguageDetector detector(ledger, lande_file());
  const Json expected = answers();
  const Tensor probabilities = detector.probabilities(texts_of(expected));
  ASSERT_EQ(probabilities.shape(), (Shape{200, 50}));
  for (std::size_t i = 0; i < 200; ++i) {
    expect_answer(detector, probabilities.values<float>().subspan(50 * i, 50), expected[i], 2e-4);
  }
}

TEST(LanguageDetector, IsAModelOfThisFramework) {
  Ledger ledger;
  const LanguageDetector detector(ledger, lande_file());
  EXPECT_EQ(detector.store().elements(), 80570U);
  EXPECT_EQ(detector.store().role(), Role::kIdentity);
  EXPECT_EQ(detector.model().sites(), (std::vector<std::string>{"layer.0", "layer.1"}));
  ledger.freeze(detector.store());
  const std::vector<std::string> texts{"In welcher Sprache ist dieser Satz geschrieben?", ""};
  const Tensor features = detector.features(texts);
  EXPECT_EQ(features.shape(), (Shape{2, 620}));
  EXPECT_EQ(features.values<float>()[620], 1.0F);  // of nothing, both units are spaces
  const Tensor probabilities = detector.probabilities(texts);
  const std::span<const float> row = probabilities.values<float>().first(50);
  EXPECT_EQ(
      detector.languages()[static_cast<std::size_t>(std::ranges::max_element(row) - row.begin())],
      "deu");
}

TEST(LanguageDetector, FileIsTheOneOurWriterWouldWrite) {
  EXPECT_TRUE(safetensors_bytes(lande_file(), "lande") == embedded::lande_safetensors());
  EXPECT_TRUE(lande_file().metadata.at("license").starts_with("The MIT License (MIT)"));
}

TEST(LanguageDetector, RefusesAFileOfAnotherForm) {
  const auto load = [](const SafetensorsFile& file) {
    Ledger ledger;
    const LanguageDetector detector(ledger, file);
  };
  SafetensorsFile file = lande_file();
  file.metadata["languages"] = R"(["eng"])";
  EXPECT_MESSAGE(load(file), FormatError,
                 "language detector: 620 n-grams and 1 languages do not fit 620 inputs and 50 "
                 "outputs");
  file.metadata["languages"] = "[1]";
  EXPECT_MESSAGE(load(file), FormatError, "language detector: expected strings in \"languages\"");
  file.metadata["languages"] = "[";
  EXPECT_MESSAGE(load(file), FormatError,
                 "language detector: expected JSON in metadata \"languages\"");
  file = lande_file();
  file.metadata["ngrams"] = R"([["a","a"],[],[],[]])";
  EXPECT_MESSAGE(load(file), FormatError,
                 "language detector: expected distinct n-grams of 1 UTF-16 units, got \"a\"");
  file.metadata.erase("ngrams");
  EXPECT_MESSAGE(load(file), FormatError, "language detector: expected metadata \"ngrams\"");
  file = lande_file();
  file.tensors.pop_back();
  EXPECT_MESSAGE(load(file), FormatError, "language detector: expected a tensor layer.1.weight");
  file.tensors.push_back({"layer.1.weight", Tensor::zeros({50, 121}, Dtype::kF32)});
  EXPECT_MESSAGE(load(file), FormatError,
                 "language detector: layer.1.weight f32 [50, 121] and layer.1.bias f32 [50] do "
                 "not fit 120 inputs");
}

}  // namespace
}  // namespace palinode::experiments
