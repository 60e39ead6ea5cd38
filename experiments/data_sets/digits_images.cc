// The embedded 8 x 8 digits (experiments/digits.h) as images.
#include <array>
#include <utility>

#include "experiments/data_sets/sources.h"
#include "experiments/digits.h"
#include "experiments/embedded.h"

namespace palinode::experiments {
namespace {

constexpr std::array<DataFile, 1> kFiles = {{
    {"digits.csv", 264712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"},
}};

// From pixel / 8 - 1 to pixel / 16, both exact, and from rows to images.
Labelled as_images(const Labelled& from) {
  TensorBuilder x({from.size(), 8, 8, 1}, Dtype::kF32);
  const std::span<const float> in = from.x.values<float>();
  const std::span<float> out = x.values<float>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = (in[i] + 1.0F) * 0.5F;
  return {std::move(x).build(), from.y};
}

Images load(const DataSet& set, const std::string&) {
  const DataFile& file = set.files[0];
  const std::string rows = gunzip(embedded::digits_csv_gz(), std::string(file.name), file.bytes);
  check_content(rows, file, "embedded digits.csv.gz", "build the program again");
  const Digits digits = make_tasks(parse_digits(rows, std::string(file.name)));
  return {as_images(digits.train), as_images(digits.held_out), 10};
}

}  // namespace

const DataSet kDigits = {
    .name = "digits",
    .title = "UCI optical digits, 8 x 8 images of handwritten digits",
    .licence = "CC BY 4.0, E. Alpaydin and C. Kaynak",
    .source = "scikit-learn 1.2.1, embedded",
    .splits = "1,198 train, 599 test, by a fixed permutation",
    .install = "",
    .folders = {},
    .files = kFiles,
    .images = load,
    .text = nullptr,
};

}  // namespace palinode::experiments
