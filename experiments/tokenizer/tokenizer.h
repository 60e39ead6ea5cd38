// Bytes to tokens and back.
//
// A tokenizer is an alphabet, the bytes it knows, and merges, pairs of tokens that become one.
// Token i < |alphabet| is the i-th byte of the alphabet; token |alphabet| + k is the k-th merge.
// Without merges it is a byte tokenizer; with them, a byte-pair one (R. Sennrich, B. Haddow,
// A. Birch, "Neural machine translation of rare words with subword units", ACL 2016).
//
// A text is first cut into words (`words`), and no token spans two of them. A word begins as one
// token a byte; while a pair of neighbours is a merge, the merge of the smallest number is applied
// at its leftmost place. Decoding joins the bytes, so decode(encode(x)) is x for every x whose
// bytes are in the alphabet, text or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/tensor.h"

namespace palinode::experiments {

using Token = std::uint16_t;  // a corpus of 4 million tokens takes 8 MB

struct Merge {
  Token left, right;
  friend bool operator==(const Merge&, const Merge&) = default;
};

class Tokenizer {
 public:
  static constexpr std::size_t kMostTokens = std::size_t{1} << 16;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 26;  // of all tokens together

  // `alphabet` in strictly rising order; a merge joins tokens that exist before it. Throws
  // FormatError otherwise, for a merge that is there twice, and beyond kMostTokens or kMostBytes.
  Tokenizer(std::string_view alphabet, std::vector<Merge> merges);

  std::size_t size() const { return strings_.size(); }  // of the vocabulary
  std::string_view alphabet() const { return alphabet_; }
  std::span<const Merge> merges() const { return merges_; }
  std::string_view bytes_of(Token token) const { return strings_[token]; }

  // In time |text| log(longest word). Throws FormatError for a byte that is not in the alphabet.
  std::vector<Token> encode(std::string_view text) const;
  // Throws FormatError for a token outside the vocabulary.
  std::string decode(std::span<const Token> tokens) const;

  // {"alphabet": [bytes], "merges": [[left, right], ...]}, the form kept in a model's metadata.
  std::string to_json() const;

 private:
  class Word;

  std::string alphabet_;
  std::vector<Merge> merges_;
  std::vector<std::string> strings_;                         // the bytes of each token
  std::unordered_map<std::uint32_t, std::uint32_t> number_;  // of the merge of a pair
};

// One token for each distinct byte of the text, and one for each of the 256 bytes.
Tokenizer byte_tokenizer(std::string_view text);
Tokenizer all_bytes_tokenizer();

// Throws FormatError naming `name` for text that is not exactly what to_json writes.
Tokenizer parse_tokenizer(std::string_view json, const std::string& name);

// The words of a text; joined they are the text. Bytes are white space (9 to 13, 32), letters
// (A-Z, a-z and all from 128), digits, or other. A word is a maximal run of letters, of digits or
// of others, with the one space before it if there is one, or a maximal run of white space, but for
// a last space that goes with the word after it.
std::vector<std::string_view> words(std::string_view text);

// The token of each position, as i32 [1, n].
Tensor as_tensor(std::span<const Token> tokens);

}  // namespace palinode::experiments
