#include "tensor/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "tensor/error.h"
#include "tensor/ledger_memory.h"

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

Descriptor open_journal(const std::string& path, std::uint64_t& bytes) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.open() || ::fstat(file.get(), &status) != 0) {
    throw FormatError(fmt::format("ledger: cannot read {}: {}", path, std::strerror(errno)));
  }
  bytes = static_cast<std::uint64_t>(status.st_size);
  return file;
}

// False if the file ends before.
bool read_at(const Descriptor& file, std::uint64_t offset, std::string& out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(file.get(), out.data() + done, out.size() - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

LedgerReader::LedgerReader(const std::string& path, const std::string& journal) : name_(path) {
  auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*file) throw FormatError(fmt::format("ledger: cannot read {}", path));
  std::string start(256, '\0');
  file->read(start.data(), static_cast<std::streamsize>(start.size()));
  if (!start.starts_with(kFirst)) throw_foreign(path);
  level_ = level_named(text_field(start, "level")).value_or(Ledger::Level::kOff);
  file->clear();
  file->seekg(0);
  lines_ = std::move(file);
  if (level_ != Ledger::Level::kJournal) return;
  journal_ = journal.empty() ? journal_path(path) : journal;
  journal_file_ = open_journal(journal_, journal_bytes_);
}

LedgerReader::LedgerReader(const LedgerMemory& memory)
    : name_("the ledger in memory"),
      lines_(std::make_unique<std::istringstream>(memory.records)),
      memory_(memory.payloads),
      journal_("its journal"),
      level_(memory.level),
      first_(memory.first),
      records_(memory.first),
      journal_bytes_(memory.payloads.size()),
      commit_begin_(memory.first),
      commit_end_(memory.first),
      head_(memory.head) {}

bool LedgerReader::next() {
  if (!fault_.empty()) return false;
  if (!std::getline(*lines_, line_)) {
    if (inside_commit()) {
      fault_ =
          fmt::format("the commit of records {} to {} is cut off", commit_begin_, commit_end_ - 1);
    }
    return false;
  }
  fault_ = take();
  return fault_.empty();
}

// Takes the record in line_, or says what is wrong with it.
std::string LedgerReader::take() {
  // getline hides whether the last line ended; an unfinished record must not pass for a finished
  // one.
  const std::optional<Parts> parts = lines_->eof() ? std::nullopt : split(line_);
  if (!parts) return "not a record";
  if (!parts->body.starts_with(fmt::format(R"({{"seq":{},)", records_))) {
    return fmt::format("expected record {}", records_);
  }
  const Sha256Digest head = sha_.add(head_).add(parts->body).finish();
  if (hex(head) != parts->chain) return "the chain does not match the record";
  body_ = parts->body;
  if (level_ == Ledger::Level::kJournal) {
    if (std::string fault = take_journal(); !fault.empty()) return fault;
  }
  head_ = head;
  bytes_ += line_.size() + 1;
  ++records_;
  return "";
}

// What the level journal adds to the record in body_: its commit and its payload.
std::string LedgerReader::take_journal() {
  const bool write = !text_field(body_, "store").empty();
  const std::optional<Record::Journal> found = journal_suffix(body_);
  if (write && (!found || found->sha256.size() != 64)) return "the record has no payload";
  const Record::Journal journal =
      found.value_or(Record::Journal{.first = records_, .last = records_, .sha256 = {}});
  const bool goes_on =
      inside_commit() && journal.first == commit_begin_ && journal.last + 1 == commit_end_;
  const bool begins = !inside_commit() && journal.first == records_ && journal.last >= records_;
  if (!goes_on && !begins) {
    return fmt::format("the record is of the commit of records {} to {}, out of place",
                       journal.first, journal.last);
  }
  if (journal.bytes > journal_bytes_ - payloads_) {
    return fmt::format("{} ends before the record's payload", journal_);
  }
  current_ = journal;
  commit_begin_ = journal.first;
  commit_end_ = journal.last + 1;
  payload_begin_ = payloads_;
  payloads_ += journal.bytes;
  return "";
}

void LedgerReader::fail(std::uint64_t record, std::string_view what) const {
  throw FormatError(fmt::format("ledger: {} line {}: {}", name_, record - first_ + 1, what));
}

void LedgerReader::require_no_fault() const {
  if (!fault_.empty()) fail(records_, fault_);
}

Record LedgerReader::record() const {
  try {
    return parse_record(body_);
  } catch (const FormatError& error) {
    fail(records_ - 1, error.what());
  }
}

std::string LedgerReader::payload(const Record& record, std::uint64_t offset) const {
  return payload(record.seq, record.journal.value(), offset);
}

std::string LedgerReader::payload(std::uint64_t seq, const Record::Journal& journal,
                                  std::uint64_t offset) const {
  std::string out;
  const bool there = offset <= journal_bytes_ && journal.bytes <= journal_bytes_ - offset;
  if (there && journal_file_.open()) out.resize(journal.bytes);
  if (!there || (journal_file_.open() && !read_at(journal_file_, offset, out))) {
    fail(seq, fmt::format("{} ends before the record's payload", journal_));
  }
  if (!journal_file_.open()) out = memory_.substr(offset, journal.bytes);
  if (hex(sha256(out)) != journal.sha256) {
    fail(seq, fmt::format("its payload, bytes {} to {} of {}, is not the one the record tells of",
                          offset, offset + journal.bytes, journal_));
  }
  return out;
}

LedgerVerdict verify_ledger(const std::string& path, const std::string& journal) {
  LedgerReader reader(path, journal);
  LedgerVerdict verdict;
  const bool journaled = reader.level() == Ledger::Level::kJournal;
  while (verdict.fault.empty() && reader.next()) {
    try {
      if (journaled && reader.has_payload()) reader.payload();
    } catch (const FormatError& error) {
      verdict.fault = error.what();
      break;
    }
    verdict.records = reader.records();
    verdict.payloads = reader.payloads();
    verdict.head = reader.head();
  }
  if (!reader.fault().empty()) {
    verdict.fault = fmt::format("line {}: {}", reader.records() + 1, reader.fault());
  } else if (verdict.fault.empty() && reader.journal_bytes() != reader.payloads()) {
    verdict.fault = fmt::format("its journal has {} bytes after the last record's payload",
                                reader.journal_bytes() - reader.payloads());
  }
  verdict.intact = verdict.fault.empty();
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
