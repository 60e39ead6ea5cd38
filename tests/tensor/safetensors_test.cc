#include "tensor/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

std::string length_of(std::uint64_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(size >> (8 * i) & 0xff);
  return bytes;
}

// A file of this header and this much data.
std::string file_of(const std::string& header, std::size_t data_size) {
  return length_of(header.size()) + header + std::string(data_size, '\x01');
}

// What the reader says of these bytes.
std::string verdict(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "x");
  } catch (const FormatError& error) {
    const std::string message = error.what(), prefix = "safetensors: x: ";
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return message.substr(prefix.size());
  }
  return "accepted";
}

std::string raw(const Tensor& tensor) {
  const Tensor source = tensor.compact();
  return with_element(source.dtype(), [&]<class T>() {
    const auto values = source.values<T>();
    return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  });
}

SafetensorsFile example() {
  const std::vector<std::uint32_t> words = {0x7fc00001, 0xffa5a5a5, 0x7f800001,
                                            0x80000000, 0x00000001, 0xff800000};
  std::vector<float> floats;
  for (const std::uint32_t word : words) floats.push_back(std::bit_cast<float>(word));
  const std::vector<double> doubles = {-0.0, 1e-320, std::bit_cast<double>(0x7ff4000000000123)};
  const std::vector<std::int32_t> integers = {-1, 2147483647};
  const std::vector<Float16> halves = {{0xfe01}, {0x8000}, {0x7c00}};
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}, {"a \"key\"\n", "\xC3\xA9\x01"}, {"", ""}};
  file.tensors = {{"w", Tensor::from<float>(floats, {2, 3})},
                  {"i", Tensor::from<std::int32_t>(integers, {2, 1})},
                  {"half", Tensor::from<Float16>(halves, {3})},
                  {"scalar", Tensor::scalar(2.5)},
                  {"none", Tensor::zeros({0, 7}, Dtype::kF64)},
                  {"d", Tensor::from<double>(doubles, {3})},
                  {"\xCE\xB2/bf16", Tensor::full<BFloat16>({1}, {0x7f81})}};
  return file;
}

TEST(Safetensors, RoundTripKeepsEveryBit) {
  const SafetensorsFile file = example();
  const SafetensorsFile back = parse_safetensors(safetensors_bytes(file, "x"), "x");
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const Named& tensor : file.tensors) {
    const Tensor& value = back.at(tensor.name);
    EXPECT_EQ(value.describe(), tensor.value.describe());
    EXPECT_EQ(raw(value), raw(tensor.value)) << tensor.name;
  }
}

TEST(Safetensors, WritesTheSameBytesInWhateverOrderTensorsAreGiven) {
  SafetensorsFile file = example();
  const std::string first = safetensors_bytes(file, "x");
  std::ranges::reverse(file.tensors);
  EXPECT_EQ(safetensors_bytes(file, "x"), first);
}

TEST(Safetensors, LooksLikeThis) {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}};
  file.tensors = {{"b", Tensor::scalar(1)},
                  {"a", Tensor::full<std::int32_t>({1, 2}, 258)},
                  {"c", Tensor::scalar(1, Dtype::kF64)}};
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"I32","shape":[1,2],"data_offsets":[8,16]},)"
      R"("b":{"dtype":"F32","shape":[],"data_offsets":[16,20]},)"
      R"("c":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}      )";
  const std::string data("\0\0\0\0\0\0\xf0\x3f\2\1\0\0\2\1\0\0\0\0\x80\x3f", 20);
  ASSERT_EQ(header.size() % 8, 0U);
  EXPECT_EQ(safetensors_bytes(file, "x"), length_of(header.size()) + header + data);
}

TEST(Safetensors, WritesTheValuesOfAViewAndNotItsMemory) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const Tensor view = Tensor::from<float>(values, {2, 3}).transpose();
  const std::string bytes = safetensors_bytes({{}, {{"t", view}}}, "x");
  EXPECT_EQ(raw(parse_safetensors(bytes, "x").at("t")), raw(view));
}

TEST(Safetensors, WithoutTensorsIsAFile) {
  const std::string bytes = safetensors_bytes({}, "x");
  EXPECT_EQ(bytes, length_of(8) + "{}      ");
  EXPECT_TRUE(parse_safetensors(bytes, "x").tensors.empty());
}

TEST(Safetensors, MayComeInAnotherOrderThanOurs) {
  const std::string header =
      R"({"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"}, "e":{"dtype":"F32","shape":[0],)"
      R"("data_offsets":[4,4]}, "a" : {"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const SafetensorsFile file = parse_safetensors(file_of(header, 8), "x");
  ASSERT_EQ(file.tensors.size(), 3U);
  EXPECT_EQ(file.tensors[0].name, "b");
  EXPECT_EQ(file.tensors[2].name, "a");
}

TEST(Safetensors, NamesATensorThatIsNotThere) {
  EXPECT_MESSAGE(example().at("x"), NameError, "safetensors: there is no tensor \"x\"");
}

// -------------------------------------------------------------------------------------------------

struct Attack {
  const char* header;
  std::size_t data_size;
  const char* message;
};

const Attack kAttacks[] = {
    {R"( {})", 0, "header: does not begin with {"},
    {"\xEF\xBB\xBF{}", 0, "header: does not begin with {"},
    {R"([])", 0, "header: does not begin with {"},
    {"", 0, "header: does not begin with {"},
    {R"({} {})", 0, "header: not JSON at byte 11"},
    {R"({)", 0, "header: not JSON at byte 9"},
    {"{\"a\xff\":1}", 0, "header: not JSON at byte 11"},
    {R"({"\ud800":1})", 0, "header: not JSON at byte 16"},
    {R"({"a":{"shape":[01]}})", 0, "header: not JSON at byte 24"},
    {R"({"a":{}/**/})", 0, R"(tensor "a": "dtype" is missing)"},
    {R"({"a":null})", 0, R"(tensor "a": expected an object)"},
    {R"({"a":[1]})", 0, R"(tensor "a": expected an object)"},
    {R"({"a":7})", 0, R"(tensor "a": expected an object)"},
    {R"({"__metadata__":"x"})", 0, "__metadata__: expected an object"},
    {R"({"__metadata__":{"k":1}})", 0, R"(__metadata__: "k": expected a string)"},
    {R"({"__metadata__":{"k":{"l":"m"}}})", 0, R"(__metadata__: "k": expected a string)"},
    {R"({"__metadata__":{"k":["m"]}})", 0, R"(__metadata__: "k": expected a string)"},
    {R"({"__metadata__":{"k":"1","k":"2"}})", 0, R"(__metadata__: "k": repeated)"},
    {R"({"__metadata__":{},"__metadata__":{}})", 0, "__metadata__: repeated"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"\u0061":{}})", 4,
     R"(tensor "a": repeated)"},
    {R"({"":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4, "tensor \"\": an empty name"},
    {R"({"a\u0000b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4,
     R"(tensor "a\u0000b": a name with control characters)"},
    {R"({"a":{"dtype":"F32","dtype":"F32"}})", 4, R"(tensor "a": "dtype": repeated)"},
    {R"({"a":{"dtype":"F32","shapes":[]}})", 4, R"(tensor "a": "shapes": not a field of a tensor)"},
    {R"({"a":{"dtype":1}})", 4, R"(tensor "a": "dtype": expected a string)"},
    {R"({"a":{"dtype":["F32"]}})", 4, R"(tensor "a": "dtype": expected a string)"},
    {R"({"a":{"dtype":"F8_E4M3"}})", 4,
     R"(tensor "a": "dtype": "F8_E4M3" is not supported; F32, F64, I32, BF16 and F16 are)"},
    {R"({"a":{"dtype":"f32"}})", 4,
     R"(tensor "a": "dtype": "f32" is not supported; F32, F64, I32, BF16 and F16 are)"},
    {R"({"a":{"shape":"[1]"}})", 4, R"(tensor "a": "shape": expected an array)"},
    {R"({"a":{"shape":4}})", 4, R"(tensor "a": "shape": expected an array)"},
    {R"({"a":{"shape":{}}})", 4, R"(tensor "a": "shape": expected an array)"},
    {R"({"a":{"shape":[-1]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[-0]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[1.0]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[18446744073709551616]}})", 4,
     R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[true]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[[1]]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":["1"]}})", 4, R"(tensor "a": "shape": expected whole numbers below 2^64)"},
    {R"({"a":{"shape":[1,1,1,1,1,1,1,1,1]}})", 4, R"(tensor "a": "shape": more than 8 axes)"},
    {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
     R"(tensor "a": shape: too many elements in [4294967296, 4294967296])"},
    {R"({"a":{"dtype":"F64","shape":[1152921504606846976,2],"data_offsets":[0,0]}})", 0,
     R"(tensor "a": shape: too many elements in [1152921504606846976, 2])"},
    {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, R"(tensor "a": "shape" is missing)"},
    {R"({"a":{"dtype":"F32","shape":[]}})", 4, R"(tensor "a": "data_offsets" is missing)"},
    {R"({"a":{"shape":[],"data_offsets":[0,4]}})", 4, R"(tensor "a": "dtype" is missing)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0]}})", 4,
     R"(tensor "a": "data_offsets": fewer than two numbers)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}})", 4,
     R"(tensor "a": "data_offsets": more than two numbers)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[4,0]}})", 4,
     R"(tensor "a": "data_offsets": [4, 0] ends before it begins)"},
    {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
     R"(tensor "a": "data_offsets": [0, 8] holds 8 bytes, F32 [3] takes 12)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}})", 8,
     R"(tensor "a": data begins at 4 and not at 0: a hole)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
     R"("b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
     4, R"(tensor "b": data begins at 0 and not at 4: an overlap)"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
     R"("b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
     8, R"(tensor "b": data begins at 4 and not at 8: an overlap)"},
    {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 5,
     "data: the tensors take 4 bytes, the file has 5"},
    {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 8,
     "data: the tensors take 16 bytes, the file has 8"},
    {R"({"a":{"dtype":"BF16","shape":[],"data_offsets":[18446744073709551614,0]}})", 0,
     R"(tensor "a": "data_offsets": [18446744073709551614, 0] ends before it begins)"},
    {R"({})", 1, "data: the tensors take 0 bytes, the file has 1"},
};

TEST(Safetensors, RefusesHostileHeadersByNameAndPlace) {
  for (const Attack& attack : kAttacks) {
    EXPECT_EQ(verdict(file_of(attack.header, attack.data_size)), attack.message) << attack.header;
  }
}

TEST(Safetensors, RefusesTextHiddenBehindAZeroByte) {
  EXPECT_EQ(verdict(file_of(std::string("{}\0garbage", 10), 0)), "header: not JSON at byte 10");
}

TEST(Safetensors, RefusesLongNamesAndShowsTheirBeginning) {
  EXPECT_EQ(verdict(file_of("{\"" + std::string(1025, 'n') + "\":{}}", 0)),
            "tensor \"" + std::string(60, 'n') + "\"...: a name of more than 1024 bytes");
}

TEST(Safetensors, RefusesADeepHeaderWithoutFollowingIt) {
  EXPECT_EQ(verdict(file_of("{\"a\":" + std::string(1 << 20, '['), 0)),
            R"(tensor "a": expected an object)");
}

TEST(Safetensors, RefusesALengthThatDoesNotFit) {
  EXPECT_EQ(verdict("1234567"), "header: a file of 7 bytes has no room for it");
  EXPECT_EQ(verdict(length_of(3) + "{}"),
            "header: of 3 bytes, but the file ends 2 bytes after its length");
  EXPECT_EQ(verdict(length_of(~std::uint64_t{0}) + "{}"),
            "header: of 18446744073709551615 bytes, more than the limit of 4194304");
}

TEST(Safetensors, WriterRefusesWhatTheReaderWouldAndWritesNothing) {
  const std::string path =
      testing::TempDir() + "palinode_" + std::to_string(::getpid()) + ".safetensors";
  const Tensor one = Tensor::scalar(1);
  const auto refused = [&](const SafetensorsFile& file, const std::string& message) {
    EXPECT_MESSAGE(write_safetensors(path, file), FormatError,
                   "safetensors: " + path + ": " + message);
    EXPECT_FALSE(std::filesystem::exists(path));
  };
  refused({{}, {{"a", one}, {"b", one}, {"a", one}}}, "tensor \"a\": repeated");
  refused({{}, {{"__metadata__", one}}}, "tensor \"__metadata__\": the name is taken");
  refused({{}, {{"", one}}}, "tensor \"\": an empty name");
  refused({{}, {{"a\xff", one}}}, "a name or metadata that is not UTF-8");
  refused({{{"k", "\xC3"}}, {}}, "a name or metadata that is not UTF-8");
  refused({{{"k", std::string(1 << 22, 'x')}}, {}},
          "header: of 4194336 bytes, more than the limit of 4194304");
}

TEST(Safetensors, OnDiskIsReadBack) {
  const std::string path =
      testing::TempDir() + "palinode_" + std::to_string(::getpid()) + ".safetensors";
  write_safetensors(path, example());
  EXPECT_EQ(safetensors_bytes(read_safetensors(path), "x"), safetensors_bytes(example(), "x"));
  std::filesystem::remove(path);
  EXPECT_MESSAGE(read_safetensors(path), FormatError,
                 "cannot read " + path + ": No such file or directory");
}

// -------------------------------------------------------------------------------------------------

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = safetensors_bytes(example(), "x");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(verdict(whole.substr(0, size)), "accepted") << size;
  }
}

// Either refused, or read into what can be written and read again to the same bytes.
bool refused_or_well_formed(std::string_view bytes) {
  try {
    const SafetensorsFile file = parse_safetensors(bytes, "x");
    const std::string again = safetensors_bytes(file, "x");
    return safetensors_bytes(parse_safetensors(again, "x"), "x") == again;
  } catch (const FormatError&) {
    return true;
  }
}

TEST(Safetensors, SurvivesEveryChangeOfOneByteOfTheHeader) {
  SafetensorsFile small = example();
  small.tensors.resize(3);
  const std::string whole = safetensors_bytes(small, "x");
  const std::size_t header = 8 + static_cast<unsigned char>(whole[0]) +
                             256 * static_cast<std::size_t>(static_cast<unsigned char>(whole[1]));
  for (std::size_t place = 0; place < header; ++place) {
    std::string changed = whole;
    for (int change = 1; change < 256; ++change) {
      changed[place] = static_cast<char>(whole[place] ^ change);
      ASSERT_TRUE(refused_or_well_formed(changed)) << "byte " << place << " xor " << change;
    }
  }
}

// Pieces of a good file cut, doubled and moved, and numbers replaced by bad ones.
TEST(Safetensors, SurvivesRandomDamage) {
  const std::string whole = safetensors_bytes(example(), "x");
  const std::vector<std::string> pieces = {"0",          "-1", "18446744073709551615",
                                           "4294967296", "{",  "}",
                                           "[",          "]",  ",",
                                           "\"",         ":",  "\\u0000",
                                           "null",       "1e9"};
  const Rng rng = Rng(1).stream("safetensors-damage");
  for (std::uint64_t trial = 0, at = 0; trial < 5000; ++trial) {
    const auto below = [&](std::size_t n) { return rng.below(at++, n); };
    std::string changed = whole;
    for (std::uint64_t count = 1 + below(3); count > 0; --count) {
      const std::size_t place = below(changed.size()), length = below(9);
      const std::string moved = changed.substr(below(changed.size()), below(40));
      const std::string& piece = below(2) == 0 ? moved : pieces[below(pieces.size())];
      changed.replace(place, length, piece);
    }
    // Most damage to the header also needs its length repaired to get anywhere.
    const std::size_t length = whole.find("}}", 8) + 2 - 8 + changed.size() - whole.size();
    if (below(2) == 0) changed.replace(0, 8, length_of(length));
    ASSERT_TRUE(refused_or_well_formed(changed)) << "trial " << trial;
  }
}

}  // namespace
}  // namespace palinode
