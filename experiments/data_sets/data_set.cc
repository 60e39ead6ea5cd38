#include "experiments/data_sets/data_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "experiments/data_sets/idx.h"
#include "experiments/data_sets/sources.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

constexpr std::array<const DataSet*, 6> kDataSets = {&kDigits, &kFashionMnist, &kMnist,
                                                     &kAusten, &kKjv,          &kDevil};
constexpr std::size_t kLargestFile = std::size_t{1} << 28;  // read or unpacked
constexpr std::size_t kLargestText = std::size_t{1} << 30;
constexpr std::int32_t kClasses = 10;

// The first of the places that exists. Throws EnvironmentError if none does.
std::string find(const DataSet& set, const DataFile& file, const std::string& folder) {
  std::vector<std::string_view> folders(set.folders.begin(), set.folders.end());
  if (!folder.empty()) folders = {folder};
  for (const std::string_view place : folders) {
    for (const std::string_view suffix : {"", ".gz"}) {
      std::string path = fmt::format("{}/{}{}", place, file.name, suffix);
      std::error_code ignored;
      if (std::filesystem::exists(path, ignored)) return path;
    }
  }
  throw EnvironmentError(
      fmt::format("{}: neither {} nor {}.gz is in {}; install the set with \"{}\", or name the "
                  "folder that holds it",
                  set.name, file.name, file.name, fmt::join(folders, " or "), set.install));
}

}  // namespace

std::span<const DataSet* const> data_sets() { return kDataSets; }

const DataSet& data_set(std::string_view name) {
  const auto found = std::ranges::find(kDataSets, name, &DataSet::name);
  if (found != kDataSets.end()) return **found;
  std::vector<std::string_view> names;
  for (const DataSet* set : kDataSets) names.push_back(set->name);
  throw NameError(
      fmt::format("no data set is called \"{}\"; there are {}", name, fmt::join(names, ", ")));
}

Images load_images(const DataSet& set, const std::string& folder) {
  if (set.images == nullptr) {
    throw NameError(fmt::format("{}: expected a set of images, this is a text", set.name));
  }
  return set.images(set, folder);
}

Text load_text(const DataSet& set) {
  if (set.text == nullptr) {
    throw NameError(fmt::format("{}: expected a text, this is a set of images", set.name));
  }
  return set.text(set);
}

Text read_text(const std::string& path) {
  Text text{read_file(path, kLargestText)};
  if (text.bytes.empty()) throw FormatError(fmt::format("{}: expected a text, got nothing", path));
  return text;
}

std::string content_of(const DataSet& set, const DataFile& file, const std::string& folder) {
  const std::string path = find(set, file, folder);
  std::string content = read_file(path, kLargestFile);
  if (path.ends_with(".gz")) content = gunzip(content, path, kLargestFile);
  check_content(content, file, path, fmt::format("install the set with \"{}\"", set.install));
  return content;
}

Images idx_set(const DataSet& set, const std::string& folder) {
  PALINODE_ASSERT(set.files.size() == 4);
  const auto images = [&](const DataFile& file) {
    return idx_images(content_of(set, file, folder), std::string(file.name));
  };
  const auto labels = [&](const DataFile& file) {
    return idx_labels(content_of(set, file, folder), std::string(file.name), kClasses);
  };
  Images loaded;
  loaded.train = {images(set.files[0]), labels(set.files[1])};
  loaded.test = {images(set.files[2]), labels(set.files[3])};
  loaded.classes = kClasses;
  return loaded;
}

}  // namespace palinode::experiments
