#include "experiments/tokenizer/byte_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

// A word of the text, as often as it is there.
struct Word {
  std::vector<Token> tokens;
  std::size_t count = 0;
};

struct Pair {
  Merge tokens;
  std::size_t count = 0;
  std::vector<std::uint32_t> words;  // that hold it or did once; some twice
};

// The words of a text and how often each pair of neighbours is in them. A merge visits only the
// words that hold its pair.
class PairCounts {
 public:
  PairCounts(std::string_view text, const Tokenizer& bytes) {
    for (const char byte : bytes.alphabet()) strings_.emplace_back(1, byte);
    std::unordered_map<std::string_view, std::size_t> number;
    for (const std::string_view spelling : words(text)) {
      const auto [place, fresh] = number.try_emplace(spelling, words_.size());
      if (fresh) words_.push_back({bytes.encode(spelling), 0});
      ++words_[place->second].count;
    }
    for (std::uint32_t word = 0; word < words_.size(); ++word) add_pairs(word);
  }

  // The pair to merge next; null if none occurs twice.
  const Pair* best() const {
    const Pair* best = nullptr;
    for (const Pair& pair : pairs_) {
      if (pair.count >= 2 && (best == nullptr || before(pair, *best))) best = &pair;
    }
    return best;
  }

  // Makes one token of the pair wherever it is.
  void merge(Merge pair) {
    const Token merged = static_cast<Token>(strings_.size());
    strings_.push_back(strings_[pair.left] + strings_[pair.right]);
    const std::vector<std::uint32_t> holders = std::move(at(pair).words);
    for (const std::uint32_t word : holders) {
      if (!holds(words_[word].tokens, pair)) continue;  // visited before, or lost to another merge
      remove_pairs(word);
      replace(words_[word].tokens, pair, merged);
      add_pairs(word);
    }
    PALINODE_ASSERT(at(pair).count == 0);
  }

 private:
  static std::size_t place_of(const std::vector<Token>& tokens, Merge pair, std::size_t from) {
    for (std::size_t i = from; i + 1 < tokens.size(); ++i) {
      if (tokens[i] == pair.left && tokens[i + 1] == pair.right) return i;
    }
    return tokens.size();
  }

  static bool holds(const std::vector<Token>& tokens, Merge pair) {
    return place_of(tokens, pair, 0) < tokens.size();
  }

  static void replace(std::vector<Token>& tokens, Merge pair, Token merged) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < tokens.size(); ++kept) {
      const bool here =
          i + 1 < tokens.size() && tokens[i] == pair.left && tokens[i + 1] == pair.right;
      tokens[kept] = here ? merged : tokens[i];
      i += here ? 2 : 1;
    }
    tokens.resize(kept);
  }

  bool before(const Pair& a, const Pair& b) const {
    if (a.count != b.count) return a.count > b.count;
    const auto spelling = [&](const Pair& pair) {
      return std::tuple<std::string_view, std::string_view, Token, Token>(
          strings_[pair.tokens.left], strings_[pair.tokens.right], pair.tokens.left,
          pair.tokens.right);
    };
    return spelling(a) < spelling(b);
  }

  Pair& at(Merge pair) {
    const std::uint32_t key = static_cast<std::uint32_t>(pair.left) << 16 | pair.right;
    const auto [place, fresh] = index_.try_emplace(key, pairs_.size());
    if (fresh) pairs_.push_back({pair, 0, {}});
    return pairs_[place->second];
  }

  void add_pairs(std::uint32_t word) {
    const std::vector<Token>& tokens = words_[word].tokens;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      Pair& pair = at({tokens[i], tokens[i + 1]});
      pair.count += words_[word].count;
      if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
    }
  }

  void remove_pairs(std::uint32_t word) {
    const std::vector<Token>& tokens = words_[word].tokens;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      at({tokens[i], tokens[i + 1]}).count -= words_[word].count;
    }
  }

  std::vector<std::string> strings_;  // the bytes of each token
  std::vector<Word> words_;           // in the order they first appear
  std::vector<Pair> pairs_;           // likewise
  std::unordered_map<std::uint32_t, std::size_t> index_;
};

}  // namespace

Tokenizer train_byte_pairs(std::string_view text, std::size_t count) {
  const Tokenizer bytes = all_bytes_tokenizer();
  if (count > Tokenizer::kMostTokens - bytes.size()) {
    throw FormatError(fmt::format("byte pairs: expected at most {} merges, got {}",
                                  Tokenizer::kMostTokens - bytes.size(), count));
  }
  PairCounts counts(text, bytes);
  std::vector<Merge> merges;
  while (merges.size() < count) {
    const Pair* best = counts.best();
    if (best == nullptr) break;
    merges.push_back(best->tokens);
    counts.merge(merges.back());
  }
  return {bytes.alphabet(), std::move(merges)};
}

}  // namespace palinode::experiments
