// The house rules, one function each: a source goes in, what breaks the rule comes out.
// style_test.cc plants a fault of each kind to see it found, and applies the rules to the tree.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/style_functions.h"
#include "tests/style_scanner.h"

namespace palinode::style {

struct Source {
  std::string path;  // from the top of the tree, as "tensor/shape.h"
  std::string text;
};

struct Finding {
  std::size_t line;
  std::string what;
};
using Findings = std::vector<Finding>;

// A folder may include itself and the folders before it.
inline constexpr std::array<std::string_view, 6> kLayers = {"tensor", "autograd", "nn",
                                                            "optim",  "rbl",      "experiments"};

inline std::size_t layer_of(std::string_view path) {
  const auto found = std::ranges::find(kLayers, path.substr(0, path.find('/')));
  return static_cast<std::size_t>(found - kLayers.begin());
}

inline bool in_layers(std::string_view path) { return layer_of(path) < kLayers.size(); }
inline bool near_machine(std::string_view path) {
  static const std::regex near(R"(^(tensor/kernels|bench|experiments/precision)/.*)");
  return std::regex_match(path.begin(), path.end(), near);
}
inline bool is_header(std::string_view path) { return path.ends_with(".h"); }

// Includes point downwards, start at the top folder; Highway is for kernels and what measures them.
inline Findings misplaced_includes(const Source& source) {
  static const std::regex include(R"(^\s*#\s*include\s*["<]([^">]*)[">])");
  const std::vector<std::string> code = lines_of(code_of(source.text));
  const std::vector<std::string> lines = lines_of(source.text);
  const std::size_t own = layer_of(source.path);
  Findings found;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (code[i].find('#') == std::string::npos) continue;
    if (!std::regex_search(lines[i], match, include)) continue;
    const std::string name = match[1];
    const bool quoted = lines[i].find('"') != std::string::npos;
    if (name.starts_with("hwy/")) {
      if (near_machine(source.path) || source.path == "tensor/simd.cc") continue;
      found.push_back({i + 1, name + " is for kernels and what measures them only"});
    } else if (own < kLayers.size() && in_layers(name) && layer_of(name) > own) {
      found.push_back({i + 1, name + " lies above " + std::string(kLayers[own])});
    } else if (own < kLayers.size() && quoted && !in_layers(name)) {
      found.push_back({i + 1, name + " is not in a folder " + std::string(kLayers[own]) + " sees"});
    }
  }
  return found;
}

inline Findings excess_lines(const Source& source) {
  std::size_t limit = source.path.starts_with("tests/") ? 500 : 400;
  if (is_header(source.path) && !source.path.ends_with("-inl.h")) limit = 200;
  const std::size_t lines = lines_of(source.text).size();
  if (lines <= limit) return {};
  return {{lines, std::to_string(lines) + " lines, at most " + std::to_string(limit)}};
}

inline Findings long_functions(const Source& source) {
  constexpr std::size_t kLimit = 70;
  bool balanced = true;
  Findings found;
  for (const Function& function : functions_of(source.text, balanced)) {
    const std::size_t lines = function.last_line - function.first_line + 1;
    if (lines <= kLimit) continue;
    found.push_back({function.first_line, "a function of " + std::to_string(lines) +
                                              " lines, at most " + std::to_string(kLimit)});
  }
  if (!balanced) found.push_back({1, "the brackets do not pair up, so lengths are unknown"});
  return found;
}

// Columns are characters: the bytes that continue a UTF-8 sequence do not count.
inline Findings wide_lines(const Source& source) {
  constexpr std::ptrdiff_t kLimit = 100;
  const std::vector<std::string> lines = lines_of(source.text);
  Findings found;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto columns =
        std::ranges::count_if(lines[i], [](unsigned char c) { return (c & 0xC0U) != 0x80U; });
    if (columns > kLimit) found.push_back({i + 1, std::to_string(columns) + " columns"});
  }
  return found;
}

// A word that must not stand in code, and the folders that are free to use it.
struct Banned {
  std::string pattern;
  bool (*allowed)(std::string_view path);
};

inline const std::vector<Banned>& banned() {
  static const auto nowhere = [](std::string_view) { return false; };
  static const auto judges = [](std::string_view path) {
    return !in_layers(path) || path.starts_with("experiments/precision/");
  };
  static const auto fma = [](std::string_view path) { return path.ends_with("kernels/fma-inl.h"); };
  static const std::vector<Banned> list = {
      {R"(\brand\s*\(|\brandom_device\b)", nowhere},
      {R"(\bfast-math\b)", nowhere},
      {R"(\b(const_cast|mutable)\b)", nowhere},
      {R"(\b(float|double)(\s+const)?\s*\*)", near_machine},
      {R"(\b(ReduceSum|SumOfLanes)\b)", nowhere},
      {R"(\bhn::(Neg)?Mul(Add|Sub)\s*\()", fma},
      {R"(\bstd::(exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan)[fl]?\s*\()", judges},
      {R"(\bstd::(sinh|cosh|tanh|pow|erf|erfc|cbrt|hypot|[lt]gamma)[fl]?\s*\()", judges},
  };
  return list;
}

// Words banned from code, and the two marks of unfinished work, banned from comments too.
inline Findings banned_words(const Source& source) {
  static const std::regex unfinished(R"(\b(TO)"
                                     R"(DO|FIX)"
                                     R"(ME)\b)");
  Findings found;
  const auto look = [&found](const std::vector<std::string>& lines, const std::regex& pattern) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::smatch match;
      if (std::regex_search(lines[i], match, pattern)) found.push_back({i + 1, match[0]});
    }
  };
  const std::vector<std::string> code = lines_of(code_of(source.text));
  for (const Banned& word : banned()) {
    if (!word.allowed(source.path)) look(code, std::regex(word.pattern));
  }
  look(lines_of(code_of(source.text, Comments::kKept)), unfinished);
  return found;
}

// The names a text declares as std::unordered_map, _set, _multimap or _multiset.
inline std::vector<std::string> unordered_names(std::string_view text) {
  static const std::regex name(R"(^[\s&*]*(\w+))");
  const std::string code = code_of(text);
  std::vector<std::string> names;
  std::size_t at = 0;
  while ((at = code.find("unordered_", at)) != std::string::npos) {
    const std::size_t open = code.find_first_not_of("abcdefghijklmnopqrstuvwxyz_ \n", at);
    at += 1;
    if (open == std::string::npos || code[open] != '<') continue;
    const std::string rest = code.substr(std::min(code.size(), closing(code, open) + 1), 200);
    std::smatch match;
    if (std::regex_search(rest, match, name)) names.push_back(match[1]);
  }
  return names;
}

// Range-for over an unordered container: its order is no part of the arithmetic. `sibling` is the
// header of a source, where its members are declared.
inline Findings unordered_loops(const Source& source, std::string_view sibling = {}) {
  static const std::regex loop(R"(\bfor\s*\()");
  static const std::regex range(R"([^:]:(?!:)[^;]*?(\w+)\s*$)");
  std::vector<std::string> names = unordered_names(source.text);
  for (std::string& name : unordered_names(sibling)) names.push_back(std::move(name));
  const std::string code = code_of(source.text);
  Findings found;
  for (std::sregex_iterator it(code.begin(), code.end(), loop), end; it != end; ++it) {
    const auto open = static_cast<std::size_t>(it->position() + it->length() - 1);
    const std::string inside = code.substr(open + 1, closing(code, open) - open - 1);
    std::smatch match;
    if (!std::regex_search(inside, match, range)) continue;
    if (std::ranges::find(names, match[1].str()) == names.end()) continue;
    found.push_back({line_at(code, open), "iteration over unordered " + match[1].str()});
  }
  return found;
}

// Every header opens with a comment and guards itself; Highway's per-target headers are read once
// per target and carry its toggle instead.
inline Findings bare_header(const Source& source) {
  Findings found;
  if (!source.text.starts_with("//")) found.push_back({1, "no opening comment"});
  static const std::regex once(R"((^|\n)#pragma once\n)");
  const bool guarded = std::regex_search(source.text, once) ||
                       source.text.find("HWY_TARGET_TOGGLE") != std::string::npos;
  if (!guarded) found.push_back({1, "no #pragma once"});
  return found;
}

}  // namespace palinode::style
