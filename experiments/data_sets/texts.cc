// The texts embedded in the program, one zstd frame each (experiments/data/README.md).
#include <array>

#include "experiments/data_sets/sources.h"
#include "experiments/embedded.h"

namespace palinode::experiments {
namespace {

constexpr std::array<DataFile, 1> kAustenFile = {{
    {"austen.txt", 4025029, "f2516f2139e3cecf49657122fed58ac46313f1fdff32a26fc66789293e92d573"},
}};
constexpr std::array<DataFile, 1> kKjvFile = {{
    {"kjv.txt", 4137850, "b5c4940bcfeee072c0935b5200d0f9d88a00a0199cb0961d16133458fcdfae5d"},
}};
constexpr std::array<DataFile, 1> kDevilFile = {{
    {"devil.txt", 383656, "703d1225d2fb927653bfd8b00e4e96938e0b630c6023edd26702ac6ed50383f8"},
}};
constexpr std::string_view kSplits = "the first nine tenths train, the last tenth validation";

template <std::string_view (*packed)()>
Text load(const DataSet& set) {
  const DataFile& file = set.files[0];
  Text text{unzstd(packed(), std::string(file.name), file.bytes)};
  check_content(text.bytes, file, "embedded " + std::string(file.name), "build the program again");
  return text;
}

}  // namespace

const DataSet kAusten = {
    .name = "austen",
    .title = "Jane Austen's six novels",
    .licence = "public domain",
    .source = "Debian package r-cran-janeaustenr 1.0.0-1, embedded",
    .splits = kSplits,
    .install = "",
    .folders = {},
    .files = kAustenFile,
    .images = nullptr,
    .text = load<embedded::austen_txt_zst>,
};

const DataSet kKjv = {
    .name = "kjv",
    .title = "The King James Bible, one verse a line",
    .licence = "public domain (Crown rights in the United Kingdom)",
    .source = "Debian package bible-kjv-text 4.38, embedded",
    .splits = kSplits,
    .install = "",
    .folders = {},
    .files = kKjvFile,
    .images = nullptr,
    .text = load<embedded::kjv_txt_zst>,
};

const DataSet kDevil = {
    .name = "devil",
    .title = "Ambrose Bierce's Devil's Dictionary",
    .licence = "public domain",
    .source = "Debian package dict-devil 1.0-13.1, embedded",
    .splits = kSplits,
    .install = "",
    .folders = {},
    .files = kDevilFile,
    .images = nullptr,
    .text = load<embedded::devil_txt_zst>,
};

}  // namespace palinode::experiments
