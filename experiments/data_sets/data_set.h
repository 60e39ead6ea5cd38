// The data sets by name: what each is, where it comes from, and how to load it (docs/data.md).
//
//     const Images fashion = load_images(data_set("fashion-mnist"));
//     const Text austen = load_text(data_set("austen"));
//
// Nothing is read or unpacked before it is asked for.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "experiments/data_sets/bytes.h"
#include "experiments/data_sets/labelled.h"

namespace palinode::experiments {

// x f32 [n, h, w, c], channels last, each pixel scaled to [0, 1] and rounded once; y i32 [n].
struct Images {
  Labelled train, test;
  std::size_t classes = 0;
};

// A text as its source has it, byte for byte. Its last tenth, rounded down, is for validation.
struct Text {
  std::string bytes;
  std::string_view train() const {
    return std::string_view(bytes).substr(0, bytes.size() - bytes.size() / 10);
  }
  std::string_view validation() const { return std::string_view(bytes).substr(train().size()); }
};

struct DataSet {
  std::string_view name;  // on the command line
  std::string_view title;
  std::string_view licence;
  std::string_view source;  // package and version
  std::string_view splits;
  // For a set that is not embedded in the program: the command that installs it, and the folders
  // where its files are looked for, in that order; relative ones from where the program runs.
  std::string_view install;
  std::span<const std::string_view> folders;
  std::span<const DataFile> files;  // sizes and digests of what they unpack to
  // One of the two. `folder` replaces `folders` if it is not empty.
  Images (*images)(const DataSet& set, const std::string& folder);
  Text (*text)(const DataSet& set);

  bool embedded() const { return install.empty(); }
};

// All of them, in the order of their documentation.
std::span<const DataSet* const> data_sets();

// Throws NameError naming those that exist.
const DataSet& data_set(std::string_view name);

// Throws NameError if the set is a text; EnvironmentError with the command that installs the set
// if a file is in none of the folders; FormatError naming the file if it is not the published one.
Images load_images(const DataSet& set, const std::string& folder = "");

// Throws NameError if the set is not a text.
Text load_text(const DataSet& set);

// A file of one's own, as it is. Throws FormatError if it cannot be read, is empty, or holds more
// than 2^30 bytes.
Text read_text(const std::string& path);

// The unpacked content of one of the set's files, "<name>" or "<name>.gz"; throws as load_images.
std::string content_of(const DataSet& set, const DataFile& file, const std::string& folder);

// The four IDX files of a set, in the order train images, train labels, test images, test labels.
Images idx_set(const DataSet& set, const std::string& folder);

}  // namespace palinode::experiments
