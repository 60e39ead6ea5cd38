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

[[noreturn]] void throw_foreign(const std::string& path) {
  throw FormatError(fmt::format("ledger: {} does not begin like a palinode ledger", path));
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
  if (lines.empty() || !lines.front().starts_with(kFirst)) throw_foreign(path);
  return lines;
}

}  // namespace

LedgerReader::LedgerReader(const std::string& path) : file_(path, std::ios::binary) {
  if (!file_) throw FormatError(fmt::format("ledger: cannot read {}", path));
  std::string start(kFirst.size(), '\0');
  file_.read(start.data(), static_cast<std::streamsize>(start.size()));
  if (!file_ || start != kFirst) throw_foreign(path);
  file_.seekg(0);
}

bool LedgerReader::next() {
  if (!fault_.empty() || !std::getline(file_, line_)) return false;
  // getline hides whether the last line ended; an unfinished record must not pass for a finished
  // one.
  const std::optional<Parts> parts = file_.eof() ? std::nullopt : split(line_);
  if (!parts) {
    fault_ = "not a record";
  } else if (!parts->body.starts_with(fmt::format(R"({{"seq":{},)", records_))) {
    fault_ = fmt::format("expected record {}", records_);
  } else if (const Sha256Digest head = sha_.add(head_).add(parts->body).finish();
             hex(head) != parts->chain) {
    fault_ = "the chain does not match the record";
  } else {
    head_ = head;
    body_ = parts->body;
    bytes_ += line_.size() + 1;
    ++records_;
  }
  return fault_.empty();
}

LedgerVerdict verify_ledger(const std::string& path) {
  LedgerReader reader(path);
  while (reader.next()) {
  }
  LedgerVerdict verdict{.intact = reader.fault().empty(),
                        .records = reader.records(),
                        .head = reader.head(),
                        .fault = {}};
  if (!verdict.intact) {
    verdict.fault = fmt::format("line {}: {}", reader.records() + 1, reader.fault());
  }
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
