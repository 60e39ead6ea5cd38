#include "tensor/ledger_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "tensor/error.h"
#include "tensor/ledger_file.h"

namespace palinode {
namespace {

constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC;

[[noreturn]] void cannot_write(const std::string& path) {
  throw EnvironmentError(fmt::format("ledger: cannot write {}", path));
}

}  // namespace

LedgerOutput::Part LedgerOutput::start(const std::string& path) {
  Part part{path, Descriptor(::open(path.c_str(), kFlags | O_CREAT | O_TRUNC, 0666))};
  if (!part.file.open()) cannot_write(path);
  return part;
}

LedgerOutput::Part LedgerOutput::resume(const std::string& path, std::uint64_t size) {
  Part part{path, Descriptor(::open(path.c_str(), kFlags)), size};
  if (!part.file.open() || ::ftruncate(part.file.get(), static_cast<off_t>(size)) != 0) {
    cannot_write(path);
  }
  return part;
}

LedgerOutput::LedgerOutput(const std::string& path, bool journal) : records_(start(path)) {
  if (journal) {
    payloads_ = start(journal_path(path));
  } else {
    std::error_code ignored;  // a device has no file beside it
    std::filesystem::remove(journal_path(path), ignored);
  }
}

LedgerOutput::LedgerOutput(const std::string& path, std::uint64_t records, bool journal,
                           std::uint64_t payloads)
    : records_(resume(path, records)) {
  if (journal) payloads_ = resume(journal_path(path), payloads);
}

void LedgerOutput::append(std::string_view lines, std::string_view payloads) {
  const auto write = [this](Part& part, std::string_view bytes) {
    return bytes.empty() || (!broken_ && part.file.write_all(bytes));
  };
  const bool paid = write(payloads_, payloads);
  if (!paid || !write(records_, lines)) {
    for (const Part* part : {&records_, &payloads_}) {
      if (!part->file.open()) continue;
      if (::ftruncate(part->file.get(), static_cast<off_t>(part->size)) != 0) broken_ = true;
    }
    cannot_write(paid ? records_.path : payloads_.path);
  }
  records_.size += lines.size();
  payloads_.size += payloads.size();
}

void LedgerOutput::sync() const {
  for (const Part* part : {&payloads_, &records_}) {
    if (part->file.open() && ::fsync(part->file.get()) != 0) cannot_write(part->path);
  }
}

}  // namespace palinode
