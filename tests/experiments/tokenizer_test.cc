#include "experiments/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "experiments/data_sets/data_set.h"
#include "experiments/tokenizer/byte_pairs.h"
#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

using Strings = std::vector<std::string>;

Strings words_of(std::string_view text) {
  const std::vector<std::string_view> found = words(text);
  return {found.begin(), found.end()};
}

// Bytes from a stream, `alphabet` of them.
std::string noise(std::uint64_t seed, std::size_t size, std::uint64_t alphabet) {
  const Rng rng(seed);
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(rng.below(i, alphabet));
  return text;
}

TEST(Words, AreCutAsTheHeaderSays) {
  EXPECT_EQ(words_of("It's 1811, said Mr. Bennet."),
            (Strings{"It", "'", "s", " 1811", ",", " said", " Mr", ".", " Bennet", "."}));
  EXPECT_EQ(words_of("a\n\n  b   \n"), (Strings{"a", "\n\n ", " b", "   \n"}));
  EXPECT_EQ(words_of(" "), (Strings{" "}));
  EXPECT_EQ(words_of("\n a"), (Strings{"\n", " a"}));
  EXPECT_EQ(words_of("na\xC3\xAFve"), (Strings{"na\xC3\xAFve"}));
  EXPECT_EQ(words_of(""), Strings{});
}

TEST(Words, JoinedAreTheText) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = noise(seed, seed, 256);
    std::string joined;
    for (const std::string_view word : words(text)) joined += word;
    EXPECT_EQ(joined, text);
  }
}

TEST(ByteTokens, AreTheDistinctBytesInOrder) {
  const Tokenizer tokenizer = byte_tokenizer("banana\xFF");
  EXPECT_EQ(tokenizer.size(), 4U);
  EXPECT_EQ(tokenizer.encode("nab\xFF"), (std::vector<Token>{2, 0, 1, 3}));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{2, 0, 1, 3}), "nab\xFF");
  EXPECT_EQ(all_bytes_tokenizer().encode("a\xFF"), (std::vector<Token>{97, 255}));
}

TEST(ByteTokens, RefuseWhatIsNotInTheVocabulary) {
  const Tokenizer tokenizer = byte_tokenizer("abc");
  EXPECT_MESSAGE(tokenizer.encode("abcd"), FormatError,
                 "tokenizer: byte 0x64 at 3 is not in the alphabet of 3");
  EXPECT_MESSAGE(tokenizer.decode(std::vector<Token>{0, 3}), FormatError,
                 "tokenizer: expected tokens from 0 to 2, got 3");
}

TEST(ByteTokens, OfAustenAreEightyTwo) {
  EXPECT_EQ(byte_tokenizer(load_text(data_set("austen")).bytes).size(), 82U);
}

// The definition again, as slowly as it reads: words as lists of spellings, everything recounted
// for every merge. The texts it is asked for never give two tokens of one spelling.
struct SlowBytePairs {
  std::vector<std::pair<std::string, std::string>> merges;

  static std::vector<Strings> split(std::string_view text) {
    std::vector<Strings> result;
    for (const std::string& word : words_of(text)) {
      result.emplace_back();
      for (const char byte : word) result.back().emplace_back(1, byte);
    }
    return result;
  }

  static void apply(const std::pair<std::string, std::string>& merge, Strings& word) {
    for (std::size_t i = 0; i + 1 < word.size(); ++i) {
      if (word[i] != merge.first || word[i + 1] != merge.second) continue;
      word[i] += word[i + 1];
      word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }

  SlowBytePairs(std::string_view text, std::size_t count) {
    std::vector<Strings> cut = split(text);
    while (merges.size() < count) {
      std::map<std::pair<std::string, std::string>, std::size_t> counts;  // in the order of ties
      for (const Strings& word : cut) {
        for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
      }
      auto best = counts.end();
      for (auto it = counts.begin(); it != counts.end(); ++it) {
        if (it->second >= 2 && (best == counts.end() || it->second > best->second)) best = it;
      }
      if (best == counts.end()) return;
      merges.push_back(best->first);
      for (Strings& word : cut) apply(merges.back(), word);
    }
  }

  Strings encode(std::string_view text) const {
    Strings result;
    for (Strings& word : split(text)) {
      for (const auto& merge : merges) apply(merge, word);
      result.insert(result.end(), word.begin(), word.end());
    }
    return result;
  }
};

Strings spellings(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  Strings result;
  for (const Token token : tokens) result.emplace_back(tokenizer.bytes_of(token));
  return result;
}

void expect_agreement(std::string_view text, std::size_t count, std::string_view other) {
  const Tokenizer tokenizer = train_byte_pairs(text, count);
  const SlowBytePairs slow(text, count);
  ASSERT_EQ(tokenizer.merges().size(), slow.merges.size());
  for (std::size_t k = 0; k < slow.merges.size(); ++k) {
    EXPECT_EQ(tokenizer.bytes_of(tokenizer.merges()[k].left), slow.merges[k].first) << k;
    EXPECT_EQ(tokenizer.bytes_of(tokenizer.merges()[k].right), slow.merges[k].second) << k;
  }
  for (const std::string_view sample : {text, other}) {
    EXPECT_EQ(spellings(tokenizer, tokenizer.encode(sample)), slow.encode(sample));
  }
}

TEST(BytePairs, AgreeWithTheSlowDefinitionOnEnglish) {
  const Text austen = load_text(data_set("austen"));
  expect_agreement(std::string_view(austen.bytes).substr(1000, 12000), 120,
                   austen.validation().substr(0, 4000));
}

TEST(BytePairs, AgreeWithTheSlowDefinitionOnRuns) {
  for (std::size_t n = 0; n < 40; ++n) {
    expect_agreement(std::string(n, 'a'), 8, std::string(2 * n + 1, 'a'));
  }
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::string text = noise(seed, 40 + seed, 3);
    for (char& byte : text) byte = "ab "[static_cast<std::size_t>(byte)];
    expect_agreement(text, 1 + seed % 7, "abba baab  aaabbb");
  }
}

TEST(BytePairs, BreakTiesByTheBytes) {
  // " a" is there four times, everything else twice.
  const Tokenizer tokenizer = train_byte_pairs("cd cd ab ab \xC3\xA9 \xC3\xA9 ac ac", 6);
  Strings spelled;
  for (Token token = 256; token < tokenizer.size(); ++token) {
    spelled.emplace_back(tokenizer.bytes_of(token));
  }
  EXPECT_EQ(spelled, (Strings{" a", " \xC3", " ab", " ac", " \xC3\xA9", "cd"}));
}

TEST(BytePairs, EndWhenNoPairOccursTwice) {
  EXPECT_EQ(train_byte_pairs("abcdef", 10).size(), 256U);
  EXPECT_EQ(train_byte_pairs("", 10).size(), 256U);
  EXPECT_EQ(train_byte_pairs("abab", 10).size(), 257U);
}

TEST(BytePairs, BringBackEveryByte) {
  const Tokenizer tokenizer = train_byte_pairs(load_text(data_set("devil")).train(), 512);
  EXPECT_EQ(tokenizer.size(), 768U);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::string text = noise(seed, 3 * seed, seed % 2 == 0 ? 256 : 128);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
  const Text kjv = load_text(data_set("kjv"));
  const std::vector<Token> tokens = tokenizer.encode(kjv.bytes);
  EXPECT_LT(tokens.size() * 2, kjv.bytes.size());
  EXPECT_EQ(tokenizer.decode(tokens), kjv.bytes);
}

TEST(BytePairs, EncodeALongWordInLittleMoreThanLinearTime) {
  const Tokenizer tokenizer = train_byte_pairs(std::string(8192, 'a'), 12);
  const std::string text(std::size_t{1} << 18, 'a');  // a quadratic encoder needs a minute
  EXPECT_EQ(tokenizer.encode(text).size(), text.size() / 4096);
}

TEST(TokenizerFiles, HoldTheWholeTokenizer) {
  const Tokenizer tokenizer = train_byte_pairs("the cat sat on the mat", 5);
  const std::string json = tokenizer.to_json();
  const Tokenizer again = parse_tokenizer(json, "t.json");
  EXPECT_EQ(again.alphabet(), tokenizer.alphabet());
  EXPECT_EQ(std::vector<Merge>(again.merges().begin(), again.merges().end()),
            std::vector<Merge>(tokenizer.merges().begin(), tokenizer.merges().end()));
  EXPECT_EQ(again.to_json(), json);
  EXPECT_EQ(byte_tokenizer("ba").to_json(), R"({"alphabet":[97,98],"merges":[]})");
}

TEST(TokenizerFiles, AreRefusedWhenTheySayAnythingElse) {
  const auto parse = [](const char* json) { return parse_tokenizer(json, "t.json"); };
  EXPECT_MESSAGE(parse("{"), FormatError, "t.json: not JSON");
  EXPECT_MESSAGE(parse("[]"), FormatError,
                 "t.json: expected an object of \"alphabet\" and \"merges\"");
  EXPECT_MESSAGE(parse(R"({"alphabet":[1],"merges":{}})"), FormatError,
                 "t.json: expected an array \"merges\"");
  EXPECT_MESSAGE(parse(R"({"alphabet":[256],"merges":[]})"), FormatError,
                 "t.json: expected a byte from 0 to 255, got 256");
  EXPECT_MESSAGE(parse(R"({"alphabet":[2,1],"merges":[]})"), FormatError,
                 "t.json: tokenizer: expected an alphabet of distinct bytes in rising order");
  EXPECT_MESSAGE(parse(R"({"alphabet":[1,200],"merges":[[0,2]]})"), FormatError,
                 "t.json: tokenizer: merge 0 joins tokens 0 and 2, but only 2 exist");
  EXPECT_MESSAGE(parse(R"({"alphabet":[1,2],"merges":[[0,1],[0,1]]})"), FormatError,
                 "t.json: tokenizer: merge 1 of tokens 0 and 1 is there twice");
  for (const char* bad :
       {"", "null", "{}", R"({"alphabet":[],"merges":[]})", R"({"alphabet":[1,1],"merges":[]})",
        R"({"alphabet":[-1],"merges":[]})", R"({"alphabet":[1.5],"merges":[]})",
        R"({"alphabet":["a"],"merges":[]})", R"({"alphabet":[1],"merges":[[0]]})",
        R"({"alphabet":[1],"merges":[[0,0,0]]})", R"({"alphabet":[1],"merges":[[0,65536]]})",
        R"({"alphabet":[1],"merges":[[0,-1]]})", R"({"alphabet":[1],"merges":[],"more":1})",
        R"({"alphabet":[1],"merges":[]} )"
        "x"}) {
    EXPECT_THROW(parse(bad), FormatError) << bad;
  }
}

TEST(TokenizerFiles, MayNotAskForMoreMemoryThanTheyAreWorth) {
  std::string doubling = R"({"alphabet":[97],"merges":[[0,0])";  // token k spells 2^k letters
  for (int k = 1; k < 60; ++k)
    doubling += "," + std::string("[") + std::to_string(k) + "," + std::to_string(k) + "]";
  EXPECT_MESSAGE(parse_tokenizer(doubling + "]}", "t.json"), FormatError,
                 "t.json: tokenizer: expected at most 67108864 bytes in all tokens, merge 25 goes "
                 "beyond");
}

}  // namespace
}  // namespace palinode::experiments
