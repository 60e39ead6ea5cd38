#include "tensor/ledger_file.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <string_view>

#include "tensor/error.h"

namespace palinode {
namespace {

constexpr std::string_view kChain = R"(,"chain":")";
constexpr std::size_t kSuffix = kChain.size() + 64 + 2;  // and the closing quote and brace
constexpr std::string_view kFirst = R"({"seq":0,"palinode_ledger":1,)";

struct Parts {
  std::string_view body, chain;
};

std::optional<Parts> split(std::string_view line) {
  if (line.size() < kSuffix || !line.ends_with("\"}")) return std::nullopt;
  const std::size_t cut = line.size() - kSuffix;
  if (line.substr(cut, kChain.size()) != kChain) return std::nullopt;
  return Parts{line.substr(0, cut), line.substr(cut + kChain.size(), 64)};
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FormatError(fmt::format("ledger: cannot read {}", path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    // getline hides whether the last line ended; an unfinished record must not pass for a finished
    // one.
    if (file.eof()) line += " (unfinished)";
    lines.push_back(std::move(line));
  }
  if (lines.empty() || !lines.front().starts_with(kFirst)) {
    throw FormatError(fmt::format("ledger: {} does not begin like a palinode ledger", path));
  }
  return lines;
}

}  // namespace

LedgerVerdict verify_ledger(const std::string& path) {
  LedgerVerdict verdict;
  Sha256 sha;
  for (const std::string& line : lines_of(path)) {
    const auto fault = [&](std::string_view what) {
      verdict.fault = fmt::format("line {}: {}", verdict.records + 1, what);
      return verdict;
    };
    const std::optional<Parts> parts = split(line);
    if (!parts) return fault("not a record");
    if (!parts->body.starts_with(fmt::format(R"({{"seq":{},)", verdict.records))) {
      return fault(fmt::format("expected record {}", verdict.records));
    }
    const Sha256Digest head = sha.add(verdict.head).add(parts->body).finish();
    if (hex(head) != parts->chain) return fault("the chain does not match the record");
    verdict.head = head;
    ++verdict.records;
  }
  verdict.intact = true;
  return verdict;
}

std::vector<std::string> read_ledger(const std::string& path) {
  std::vector<std::string> lines = lines_of(path);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!split(lines[i])) {
      throw FormatError(fmt::format("ledger: {} line {} is not a record", path, i + 1));
    }
  }
  return lines;
}

}  // namespace palinode
