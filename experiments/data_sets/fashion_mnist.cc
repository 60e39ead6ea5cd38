// Fashion-MNIST: 70,000 grey 28 x 28 images of ten kinds of clothing. H. Xiao, K. Rasul,
// R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
// arXiv:1708.07747, 2017.
#include <array>

#include "experiments/data_sets/sources.h"

namespace palinode::experiments {
namespace {

constexpr std::array<std::string_view, 1> kFolders = {"/usr/share/datasets/fashion-mnist"};
constexpr std::array<DataFile, 4> kFiles = {{
    {"train-images-idx3-ubyte", 47040016,
     "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {"train-labels-idx1-ubyte", 60008,
     "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {"t10k-images-idx3-ubyte", 7840016,
     "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {"t10k-labels-idx1-ubyte", 10008,
     "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}};

}  // namespace

const DataSet kFashionMnist = {
    .name = "fashion-mnist",
    .title = "Fashion-MNIST, grey 28 x 28 images of ten kinds of clothing",
    .licence = "MIT (Expat), Zalando SE",
    .source = "Debian package dataset-fashion-mnist",
    .splits = "60,000 train, 10,000 test, as published",
    .install = "apt-get install dataset-fashion-mnist",
    .folders = kFolders,
    .files = kFiles,
    .images = idx_set,
    .text = nullptr,
};

}  // namespace palinode::experiments
