#include "experiments/precision/checkpoint.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments::precision {
namespace {

constexpr std::size_t kLimit = std::size_t{256} << 20;

}  // namespace

Checkpoint::Checkpoint(std::string path, const Json& head) : path_(std::move(path)) {
  if (path_.empty()) return;
  const std::string first = head.dump() + "\n";
  std::string kept;
  if (std::filesystem::exists(path_)) {
    const std::string text = read_file(path_, kLimit);
    if (!text.starts_with(first) && !first.starts_with(text)) {
      throw FormatError(
          fmt::format("{}: blocks of another sweep (another program, kernel or sample); remove it "
                      "to sweep anew",
                      path_));
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      if (end == std::string::npos) break;
      const std::string line = text.substr(at, end + 1 - at);
      if (at > 0) {
        const Json entry = Json::parse(line, nullptr, false);
        if (entry.is_discarded()) throw FormatError(path_ + ": not a line of JSON: " + line);
        blocks_.emplace(entry.at("block").get<std::size_t>(), entry.at("result"));
      }
      kept += line;
      at = end + 1;
    }
  }
  if (kept.empty()) kept = first;
  write_file_atomically(path_, kept);
  file_.reset(std::fopen(path_.c_str(), "ab"));
  if (!file_) throw EnvironmentError(fmt::format("{}: {}", path_, std::strerror(errno)));
}

void Checkpoint::add(std::size_t block, Json result) {
  const std::scoped_lock lock(mutex_);
  if (file_) write(Json{{"block", block}, {"result", result}}.dump() + "\n");
  blocks_.emplace(block, std::move(result));
}

void Checkpoint::write(const std::string& line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                       std::fflush(file_.get()) == 0;
  if (!written) throw EnvironmentError(fmt::format("{}: {}", path_, std::strerror(errno)));
}

}  // namespace palinode::experiments::precision
