// The blocks of a sweep on disk: a head, then a line of JSON for each finished block, in whatever
// order they finish. A line that was cut off by a kill is as if it had not been written.
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace palinode::experiments::precision {

class Checkpoint {
 public:
  using Json = nlohmann::ordered_json;

  // An empty path keeps the blocks in memory only. Throws FormatError if the file's head is another
  // one, EnvironmentError if it cannot be written.
  Checkpoint(std::string path, const Json& head);

  const std::map<std::size_t, Json>& blocks() const { return blocks_; }
  void add(std::size_t block, Json result);  // from any thread

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write(const std::string& line);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::map<std::size_t, Json> blocks_;
  std::mutex mutex_;
};

}  // namespace palinode::experiments::precision
