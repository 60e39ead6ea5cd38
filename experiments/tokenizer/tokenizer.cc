#include "experiments/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

std::uint8_t to_byte(char c) { return static_cast<std::uint8_t>(c); }

std::uint32_t key(Token left, Token right) {
  return static_cast<std::uint32_t>(left) << 16 | right;
}

enum class ByteClass { kSpace, kLetter, kDigit, kOther };

ByteClass class_of(char c) {
  const std::uint8_t byte = to_byte(c);
  if (byte == ' ' || (byte >= 9 && byte <= 13)) return ByteClass::kSpace;
  if (byte >= '0' && byte <= '9') return ByteClass::kDigit;
  const bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte >= 128;
  return letter ? ByteClass::kLetter : ByteClass::kOther;
}

// The end of the run of bytes of one class that begins at `at`.
std::size_t end_of_run(std::string_view text, std::size_t at) {
  const ByteClass kind = class_of(text[at]);
  while (at < text.size() && class_of(text[at]) == kind) ++at;
  return at;
}

}  // namespace

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> result;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = end_of_run(text, begin);
    if (class_of(text[begin]) == ByteClass::kSpace && end < text.size() && text[end - 1] == ' ') {
      // The last space belongs to the word that follows it.
      end = end - 1 > begin ? end - 1 : end_of_run(text, end);
    }
    result.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return result;
}

Tokenizer::Tokenizer(std::string_view alphabet, std::vector<Merge> merges)
    : alphabet_(alphabet), merges_(std::move(merges)) {
  const auto rising = [](char a, char b) { return to_byte(a) < to_byte(b); };
  if (alphabet_.empty() ||
      std::ranges::adjacent_find(alphabet_, std::not_fn(rising)) != alphabet_.end()) {
    throw FormatError("tokenizer: expected an alphabet of distinct bytes in rising order");
  }
  if (alphabet_.size() + merges_.size() > kMostTokens) {
    throw FormatError(fmt::format("tokenizer: expected at most {} tokens, got {}", kMostTokens,
                                  alphabet_.size() + merges_.size()));
  }
  for (const char byte : alphabet_) strings_.emplace_back(1, byte);
  std::size_t total = 0;
  for (std::uint32_t k = 0; k < merges_.size(); ++k) {
    const auto [left, right] = merges_[k];
    if (left >= strings_.size() || right >= strings_.size()) {
      throw FormatError(fmt::format("tokenizer: merge {} joins tokens {} and {}, but only {} exist",
                                    k, left, right, strings_.size()));
    }
    if (!number_.emplace(key(left, right), k).second) {
      throw FormatError(
          fmt::format("tokenizer: merge {} of tokens {} and {} is there twice", k, left, right));
    }
    total += strings_[left].size() + strings_[right].size();
    if (total > kMostBytes) {  // 30 merges may ask for 2^30 bytes
      throw FormatError(
          fmt::format("tokenizer: expected at most {} bytes in all tokens, merge {} "
                      "goes beyond",
                      kMostBytes, k));
    }
    strings_.push_back(strings_[left] + strings_[right]);
  }
}

// One word under way: its tokens as a linked list, and the merges that may apply, smallest number
// first and leftmost first among equals. Entries whose pair has gone since are passed over.
class Tokenizer::Word {
 public:
  Word(const Tokenizer& tokenizer, std::vector<Token> tokens)
      : tokenizer_(tokenizer),
        tokens_(std::move(tokens)),
        next_(tokens_.size()),
        before_(tokens_.size()) {
    for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
      next_[i] = i + 1;
      before_[i] = i - 1;  // wraps for the first, as `end` does for the last
    }
    for (std::uint32_t i = 0; i + 1 < tokens_.size(); ++i) push(i);
  }

  void merge_all() {
    while (!open_.empty()) {
      const auto [number, at] = open_.top();
      open_.pop();
      if (merge_at(at) != number) continue;
      const std::uint32_t gone = next_[at];
      tokens_[at] = static_cast<Token>(tokenizer_.alphabet_.size() + number);
      next_[at] = next_[gone];
      next_[gone] = kGone;
      if (next_[at] < tokens_.size()) before_[next_[at]] = at;
      if (at > 0) push(before_[at]);
      push(at);
    }
  }

  void append_to(std::vector<Token>& out) const {
    for (std::uint32_t i = 0; i < tokens_.size(); i = next_[i]) out.push_back(tokens_[i]);
  }

 private:
  static constexpr std::uint32_t kGone = 0xFFFFFFFF;
  static constexpr std::uint32_t kNone = 0xFFFFFFFE;

  // The number of the merge of the tokens at a place and after it, or kNone.
  std::uint32_t merge_at(std::uint32_t at) const {
    if (next_[at] >= tokens_.size()) return kNone;  // the last one, or gone
    const auto found = tokenizer_.number_.find(key(tokens_[at], tokens_[next_[at]]));
    return found == tokenizer_.number_.end() ? kNone : found->second;
  }

  void push(std::uint32_t at) {
    const std::uint32_t number = merge_at(at);
    if (number != kNone) open_.emplace(number, at);
  }

  using Entry = std::pair<std::uint32_t, std::uint32_t>;  // number of the merge, place
  const Tokenizer& tokenizer_;
  std::vector<Token> tokens_;
  std::vector<std::uint32_t> next_, before_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open_;
};

std::vector<Token> Tokenizer::encode(std::string_view text) const {
  std::array<std::int32_t, 256> token_of{};
  token_of.fill(-1);
  for (std::size_t i = 0; i < alphabet_.size(); ++i) {
    token_of[to_byte(alphabet_[i])] = static_cast<std::int32_t>(i);
  }
  const auto token = [&](const char& byte) {
    const std::int32_t found = token_of[to_byte(byte)];
    if (found < 0) {
      throw FormatError(fmt::format("tokenizer: byte {:#04x} at {} is not in the alphabet of {}",
                                    to_byte(byte), &byte - text.data(), alphabet_.size()));
    }
    return static_cast<Token>(found);
  };
  std::vector<Token> out;
  if (merges_.empty()) {
    out.reserve(text.size());
    for (const char& byte : text) out.push_back(token(byte));
    return out;
  }
  // A word that was met before has its tokens in `out` already.
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> met;
  for (const std::string_view word : words(text)) {
    const auto [place, fresh] = met.try_emplace(word, out.size(), 0);
    auto& [begin, count] = place->second;
    if (fresh) {
      std::vector<Token> tokens;
      for (const char& byte : word) tokens.push_back(token(byte));
      Word under_way(*this, std::move(tokens));
      under_way.merge_all();
      under_way.append_to(out);
      count = out.size() - begin;
    } else {
      for (std::size_t i = 0; i < count; ++i) out.push_back(out[begin + i]);
    }
  }
  return out;
}

std::string Tokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) {
    if (token >= strings_.size()) {
      throw FormatError(fmt::format("tokenizer: expected tokens from 0 to {}, got {}",
                                    strings_.size() - 1, token));
    }
    text += strings_[token];
  }
  return text;
}

Tokenizer byte_tokenizer(std::string_view text) {
  std::array<bool, 256> seen{};
  for (const char byte : text) seen[to_byte(byte)] = true;
  std::string alphabet;
  for (std::size_t byte = 0; byte < seen.size(); ++byte) {
    if (seen[byte]) alphabet.push_back(static_cast<char>(byte));
  }
  return {alphabet, {}};
}

Tokenizer all_bytes_tokenizer() {
  std::string alphabet;
  for (int byte = 0; byte < 256; ++byte) alphabet.push_back(static_cast<char>(byte));
  return {alphabet, {}};
}

Tensor as_tensor(std::span<const Token> tokens) {
  TensorBuilder values({1, tokens.size()}, Dtype::kI32);
  std::ranges::copy(tokens, values.values<std::int32_t>().begin());
  return std::move(values).build();
}

}  // namespace palinode::experiments
