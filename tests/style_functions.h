// Finds the functions of a file for the style test.
//
// A `{` at namespace or class scope opens a function when what stands before it looks like the head
// of one: a parameter list, then qualifiers, a return type or a constructor's initializer list.
#pragma once

#include <cstddef>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/style_scanner.h"

namespace palinode::style {

enum class Head { kScope, kFunction, kMember, kValue };

// What a `{` opens, from the text between it and the end of the declaration before, round brackets
// emptied. kMember is one member of a constructor's initializer list; the head goes on behind it.
inline Head classify(const std::string& head) {
  static const std::regex scope(R"(^\s*(inline\s+)?(namespace|class|struct|union|enum)\b)");
  static const std::regex external(R"(^\s*extern\s*"\s*"\s*$)");
  static const std::regex initializers(R"(\)[^=]*[^:]:[^:])");
  static const std::regex value(R"((^|[^=!<>])=([^=]|$))");
  static const std::regex lambda(R"(\]\s*(\(|$))");
  static const std::regex own_operator(R"(\boperator\s*[^\w\s(]+)");
  if (std::regex_search(head, scope) || std::regex_match(head, external)) return Head::kScope;
  const std::string named = std::regex_replace(head, own_operator, "operator");
  if (std::regex_search(named, value)) {
    return std::regex_search(named, lambda) ? Head::kFunction : Head::kValue;
  }
  if (head.find(')') == std::string::npos) return Head::kValue;
  const char last = head[head.find_last_not_of(" \n")];
  const bool in_list = std::regex_search(head, initializers) && (is_word(last) || last == '>');
  return in_list ? Head::kMember : Head::kFunction;
}

// Whether a head that ends at a colon is an access label.
inline bool is_access(std::string_view head) {
  return head == "public" || head == "private" || head == "protected";
}

struct Function {
  std::size_t first_line;
  std::size_t last_line;
};

// Every function at namespace or class scope, its head included. `balanced` tells whether every
// brace closed.
inline std::vector<Function> functions_of(std::string_view text, bool& balanced) {
  const std::string code = without_directives(code_of(text));
  std::vector<Function> functions;
  std::string head;
  std::size_t begin = 0;  // of the head
  std::size_t scopes = 0;
  balanced = true;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (head.empty()) {
      if (is_space(c)) continue;
      begin = i;
    }
    if (c == '(') {
      i = closing(code, i);
      balanced = balanced && i < code.size();
      head += "()";
    } else if (c == '{') {
      const Head kind = classify(head);
      if (kind == Head::kScope) {
        ++scopes;
        head.clear();
        continue;
      }
      i = closing(code, i);
      balanced = balanced && i < code.size();
      if (kind == Head::kFunction) {
        functions.push_back({line_at(code, begin), line_at(code, i)});
        head.clear();
      } else {
        head += kind == Head::kMember ? ")" : " ";
      }
    } else if (c == '}') {
      if (scopes == 0) balanced = false;
      scopes -= scopes == 0 ? 0 : 1;
      head.clear();
    } else if (c == ';' || (c == ':' && is_access(head))) {
      head.clear();
    } else {
      head += c;
    }
    if (head == "template" && !is_word(code[i + 1])) {
      // Its parameters may hold `class` and `=`.
      const std::size_t open = code.find('<', i);
      if (open == std::string::npos) continue;
      i = closing(code, open);
      head.clear();
    }
  }
  balanced = balanced && scopes == 0;
  return functions;
}

}  // namespace palinode::style
