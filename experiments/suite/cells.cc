#include "experiments/suite/cells.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/suite/outcome_json.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostBytes = std::size_t{1} << 32U;

const std::string& program_digest() {
  static const std::string kDigest = hex(sha256(read_file("/proc/self/exe", kMostBytes)));
  return kDigest;
}

std::string reason() { return std::strerror(errno); }

// A field of a line; empty if it is not there or no text.
std::string text_of(const ordered_json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// Of what a line says, the time too: an estimate may rest on it.
std::string line_digest(const ordered_json& json) {
  return hex(sha256(text_of(json, "key") + json.at("seconds").dump() + json.at("outcome").dump()));
}

}  // namespace

CellFile::CellFile(std::string path, const std::string& settings_digest, bool fresh)
    : path_(std::move(path)), program_(program_digest()), settings_(settings_digest) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw EnvironmentError(fmt::format("cannot write {}: {}", path_, reason()));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    throw EnvironmentError(fmt::format("{}: another run is writing into this folder", path_));
  }
  // Under the lock: another run's file is not this one's to drop.
  if (fresh && ::ftruncate(descriptor_, 0) != 0) {
    ::close(descriptor_);
    throw EnvironmentError(fmt::format("cannot write {}: {}", path_, reason()));
  }
  const std::string lines = read_file(path_, kMostBytes);
  found_ = read(lines);
  // A torn line would swallow the next one.
  if (!lines.empty() && lines.back() != '\n' && ::write(descriptor_, "\n", 1) != 1) {
    throw EnvironmentError(fmt::format("cannot write {}: {}", path_, reason()));
  }
}

CellFile::~CellFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string CellFile::line(const std::string& key, const FinishedCell& cell) const {
  ordered_json json;
  json["key"] = key;
  json["program"] = program_;
  json["settings"] = settings_;
  json["seconds"] = cell.seconds;
  json["outcome"] = outcome_json(cell.outcome);
  json["digest"] = line_digest(json);
  return json.dump() + "\n";
}

std::map<std::string, FinishedCell> CellFile::read(const std::string& lines) const {
  std::map<std::string, FinishedCell> cells;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string_view text = std::string_view(lines).substr(begin, end - begin);
    begin = end + 1;
    const ordered_json json = ordered_json::parse(text, nullptr, false);
    if (!json.is_object() || text_of(json, "program") != program_ ||
        text_of(json, "settings") != settings_ || !json.contains("outcome") ||
        !json.contains("seconds") || text_of(json, "digest") != line_digest(json)) {
      continue;
    }
    cells[text_of(json, "key")] = {outcome_from_json(json["outcome"]),
                                   number_from_json(json["seconds"], "seconds")};
  }
  return cells;
}

void CellFile::append(const std::string& key, const FinishedCell& cell) {
  if (descriptor_ < 0) return;
  const std::string text = line(key, cell);
  const std::scoped_lock lock(mutex_);
  const ssize_t written = ::write(descriptor_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fdatasync(descriptor_) != 0) {
    throw EnvironmentError(fmt::format("cannot write {}: {}", path_, reason()));
  }
}

void CellFile::adopt(const std::string& path) {
  found_.merge(read(read_file(path, kMostBytes)));
  adopted_.push_back(path);
}

void CellFile::remove() {
  if (descriptor_ < 0) return;
  for (const std::string& path : adopted_) remove_file(path);
  remove_file(path_);
}

std::vector<std::string> cells_of_others(const std::string& out, std::size_t processes) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    std::size_t rank = 0;
    const char* const end = name.data() + name.size();
    if (!name.starts_with("cells.")) continue;
    const auto [rest, error] = std::from_chars(name.data() + 6, end, rank);
    if (error != std::errc() || std::string_view(rest, end) != ".jsonl") continue;
    if (rank >= processes) paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace palinode::experiments
