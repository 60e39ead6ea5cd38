// Reads C++ text for the style test: what is code, what a comment, what the inside of a literal.
//
// A scanner and not a parser: it knows comments, literals, directives and brackets, which is all
// the house rules need. Offsets and line numbers stay those of the file.
#pragma once

#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace palinode::style {

inline bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

inline bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// The text cut at its line ends; a last line without one counts.
inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// The 1-based line of an offset.
inline std::size_t line_at(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  for (const char c : text.substr(0, offset)) line += c == '\n' ? 1 : 0;
  return line;
}

// The offset just behind the literal or comment that starts at `begin`, or `begin` if none does.
inline std::size_t skip_literal(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  if (quote != '"' && quote != '\'') return begin;
  std::size_t word = begin;
  while (word > 0 && (is_word(text[word - 1]) || text[word - 1] == '\'')) --word;
  const std::string_view prefix = text.substr(word, begin - word);
  const bool digit = !prefix.empty() && std::isdigit(static_cast<unsigned char>(prefix[0])) != 0;
  if (quote == '\'' && digit) return begin;  // 1'000
  if (quote == '"' && !prefix.empty() && prefix.back() == 'R') {
    const std::size_t open = text.find('(', begin);
    if (open == std::string_view::npos) return text.size();
    const std::string close = ")" + std::string(text.substr(begin + 1, open - begin - 1)) + "\"";
    const std::size_t end = text.find(close, open);
    return end == std::string_view::npos ? text.size() : end + close.size();
  }
  std::size_t end = begin + 1;
  while (end < text.size() && text[end] != quote && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return end < text.size() ? end + 1 : text.size();
}

inline std::size_t skip_comment(std::string_view text, std::size_t begin) {
  if (text.substr(begin, 2) == "//") {
    std::size_t end = text.find('\n', begin);
    while (end != std::string_view::npos && text[end - 1] == '\\') end = text.find('\n', end + 1);
    return end == std::string_view::npos ? text.size() : end;
  }
  if (text.substr(begin, 2) == "/*") {
    const std::size_t end = text.find("*/", begin + 2);
    return end == std::string_view::npos ? text.size() : end + 2;
  }
  return begin;
}

enum class Comments { kBlanked, kKept };

// The text with the inside of every literal, and every comment if wanted, turned into spaces.
inline std::string code_of(std::string_view text, Comments comments = Comments::kBlanked) {
  std::string code(text);
  const auto blank = [&code](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && i < code.size(); ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t behind_comment = skip_comment(text, i);
    const std::size_t behind_literal = skip_literal(text, i);
    if (behind_comment != i) {
      if (comments == Comments::kBlanked) blank(i, behind_comment);
      i = behind_comment;
    } else if (behind_literal != i) {
      blank(i + 1, behind_literal - 1);
      i = behind_literal;
    } else {
      ++i;
    }
  }
  return code;
}

// Code (a result of code_of) without its preprocessor lines.
inline std::string without_directives(std::string code) {
  bool directive = false;
  for (std::size_t begin = 0; begin < code.size();) {
    std::size_t end = code.find('\n', begin);
    if (end == std::string::npos) end = code.size();
    const std::size_t first = code.find_first_not_of(" \t", begin);
    directive = directive || (first < end && code[first] == '#');
    const bool goes_on = end > begin && code[end - 1] == '\\';
    if (directive) code.replace(begin, end - begin, end - begin, ' ');
    directive = directive && goes_on;
    begin = end + 1;
  }
  return code;
}

// The offset of the bracket that closes the one at `open`, or the size of the code.
inline std::size_t closing(std::string_view code, std::size_t open) {
  const char opener = code[open];
  const char closer = opener == '{' ? '}' : opener == '(' ? ')' : '>';
  std::size_t depth = 0;
  for (std::size_t i = open; i < code.size(); ++i) {
    if (code[i] == opener) ++depth;
    if (code[i] == closer && --depth == 0) return i;
  }
  return code.size();
}

}  // namespace palinode::style
