#include "tensor/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "tensor/error.h"
#include "tensor/ledger_memory.h"
#include "tensor/ledger_records.h"

namespace palinode {
namespace {

constexpr std::string_view kChain = R"(,"chain":")";
constexpr std::size_t kSuffix = kChain.size() + 64 + 2;  // and the closing quote and brace
constexpr std::string_view kFirst = R"({"seq":0,"palinode_ledger":)";

struct Parts {
  std::string_view body, chain;  // without a chain: "" of a record inside a commit
};

std::optional<Parts> split(std::string_view line) {
  if (!line.ends_with("}")) return std::nullopt;
  const bool chained = line.size() >= kSuffix && line.ends_with("\"}") &&
                       line.substr(line.size() - kSuffix, kChain.size()) == kChain;
  if (!chained) return Parts{line.substr(0, line.size() - 1), ""};
  const std::size_t cut = line.size() - kSuffix;
  return Parts{line.substr(0, cut), line.substr(cut + kChain.size(), 64)};
}

[[noreturn]] void throw_foreign(const std::string& path) {
  throw FormatError(fmt::format("ledger: {} does not begin like a palinode ledger", path));
}

// The format a file says it is of.
std::uint8_t format_of_start(const std::string& path, std::string_view start) {
  if (!start.starts_with(kFirst)) throw_foreign(path);
  start.remove_prefix(kFirst.size());
  const std::string_view format = start.substr(0, start.find(','));
  if (format == "1") return static_cast<std::uint8_t>(LedgerFormat::kRecords);
  if (format == "2") return static_cast<std::uint8_t>(LedgerFormat::kCommits);
  throw FormatError(
      fmt::format("ledger: {} is of format {}; formats 1 and 2 can be read", path, format));
}

// Of 32 letters; nothing that is no digest comes this far, since its text is compared.
std::optional<Xxh3Digest> digest_of(std::string_view letters) {
  Xxh3Digest digest{};
  if (letters.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* const at = letters.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, digest[i], 16);
    if (error != std::errc() || end != at + 2) return std::nullopt;
  }
  return digest;
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
  format_of_start(path, lines.empty() ? "" : lines.front());
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
  format_ = format_of_start(path, start);
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
    if (!link_.empty()) {
      fault_ = fmt::format("the commit that begins with record {} is cut off", link_begin_.seq);
    } else if (inside_commit()) {
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
  body_ = parts->body;
  const bool links_commits = format_ == static_cast<std::uint8_t>(LedgerFormat::kCommits);
  Sha256Digest head = head_;
  if (links_commits && !text_field(body_, "store").empty()) {
    if (std::string fault = take_link(); !fault.empty()) return fault;
    if (!parts->chain.empty()) {
      head = sha_.add(head_).add(std::string_view(link_.data(), link_.size())).finish();
      link_.clear();
    }
  } else {
    if (!link_.empty()) {
      return fmt::format("the commit that begins with record {} is cut off", link_begin_.seq);
    }
    if (parts->chain.empty()) return "not a record";
    head = sha_.add(head_).add(body_).finish();
  }
  if (!parts->chain.empty() && hex(head) != parts->chain) {
    return "the chain does not match the record";
  }
  if (level_ == Ledger::Level::kJournal) {
    if (std::string fault = take_journal(); !fault.empty()) return fault;
  }
  head_ = head;
  bytes_ += line_.size() + 1;
  ++records_;
  return "";
}

// Adds the record in body_, a write, to the link that is being read: its numbers, and what they
// leave to the entry's record before, which must be what its text says.
std::string LedgerReader::take_link() {
  Record record;
  try {
    record = parse_record(body_);
  } catch (const FormatError& error) {
    return error.what();
  }
  const LinkHead head{.first = link_.empty() ? record.seq : link_begin_.seq,
                      .reason = record.reason,
                      .proposer = record.proposer,
                      .seed = record.seed,
                      .step = record.step};
  const bool digests = level_ >= Ledger::Level::kDigest;
  Text text;
  append_text(text, {.seq = record.seq,
                     .store = record.store,
                     .name = record.name,
                     .commit = head,
                     .elements = record.elements,
                     .changed = record.changed,
                     .max_abs = record.max_abs,
                     .l2 = record.l2,
                     .removed = record.removed,
                     .digests = digests,
                     .before = record.before,
                     .after = record.after});
  if (std::string_view(text.data(), text.size()) != body_) return "the record has another form";
  const std::optional<Xxh3Digest> after = digest_of(record.after);
  if (after.has_value() != (digests && !record.removed)) return "the record has another form";
  if (link_.empty()) {
    append_link(link_, head);
    link_begin_ = record;
  } else if (record.reason != link_begin_.reason || record.proposer != link_begin_.proposer ||
             record.seed != link_begin_.seed || record.step != link_begin_.step) {
    return fmt::format("the record is not of the commit that begins with record {}",
                       link_begin_.seq);
  }
  const std::string where = record.store + ":" + record.name;
  const auto known = known_.find(where);
  const bool made = known == known_.end();
  if (made ? !record.before.empty() || record.removed
           : record.before != known->second.digest || record.elements != known->second.elements) {
    return "the record does not follow from the last one of its entry";
  }
  append_link(link_, LinkRecord{.previous = made ? 0 : known->second.seq,
                                .removed = record.removed,
                                .store = record.store,
                                .name = record.name,
                                .elements = record.elements,
                                .changed = record.changed,
                                .max_abs = record.max_abs,
                                .l2 = record.l2,
                                .after = after});
  if (record.removed) {
    known_.erase(known);
  } else {
    known_[where] = {record.seq, record.elements, record.after};
  }
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
    if (!lines[i].starts_with("{") || !split(lines[i])) {
      throw FormatError(fmt::format("ledger: {} line {} is not a record", path, i + 1));
    }
  }
  return lines;
}

}  // namespace palinode
